//! The data plane is what serves.

use std::rc::Rc;
use std::time::Duration;

use super::serve::Serve;
use crate::proxy::{Client, ClientBody, Gateway, ResponseBody};
use crate::wire::{Request, Response};

impl Serve for Gateway {
    type Body = ResponseBody;

    async fn serve(&self, request: Request<ClientBody>, client: &Rc<Client>) -> Response<ResponseBody> {
        Gateway::serve(self, request, client).await
    }

    fn retire(&self, grace: Duration) {
        Gateway::retire(self, grace);
    }

    async fn settle(&self) {
        Gateway::settle(self).await;
    }

    async fn background(&self) {
        Gateway::background(self).await;
    }
}
