"""The proxies: how each is set up for the same job, started, reloaded and replaced.

A module per proxy; what is particular to one is there and nowhere else. Where their own documentation knows better than a
default (retries, backup servers, timeouts of health checks), they have it.
"""
from .botgate import Botgate, BotgateKit, BotgateTokens
from .caddy import Caddy
from .envoy import Envoy
from .haproxy import Haproxy
from .nginx import Nginx

PEERS = {peer.name: peer for peer in (Nginx, Haproxy, Envoy, Caddy)}
OWN = {peer.name: peer for peer in (Botgate, BotgateKit, BotgateTokens)}
ALL = {**OWN, **PEERS}
