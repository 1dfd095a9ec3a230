//! The page at `/console`. It loads nothing and shows no data; it says where the data is.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::{Api, answer};
use crate::telemetry::Route;

/// The page.
pub(super) async fn get(State(api): State<Arc<Api>>) -> Response {
    let page = answer::raw(StatusCode::OK, "text/html; charset=utf-8", include_str!("console.html"));
    api.answered(Route::Console, page)
}
