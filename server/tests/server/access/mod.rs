//! Who may call, over real connections.

mod rates;
mod secrets;
mod tls;
mod tokens;
