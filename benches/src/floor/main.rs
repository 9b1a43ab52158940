//! The yardstick `floor`: the least that a front and a function can do for a call.
//!
//! ```text
//! floor front ADDRESS SOCKET     from TCP to the socket and back
//! floor function SOCKET          gives each request's body back
//! ```
//!
//! Both find where a message ends, by its `Content-Length` and nothing else, and pass it on in one
//! write; a message larger than a buffer passes a buffer at a time. One thread, one epoll, a
//! connection to the function for each client's. No heads are read, nothing is checked, timed,
//! counted or bounded, and there is no chunked encoding: what a call costs here is the kernel's price
//! for four messages, and whatever a real front takes beyond it is that front's own.
//!
//! The two are also of use alone. The floor's front before a real function is that function "behind
//! TCP, without us"; a real front before the floor's function is that front, with a function that
//! costs next to nothing.

mod events;
mod front;
mod function;
mod passage;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["front", address, socket] => front::serve(address, socket),
        ["function", socket] => function::serve(socket),
        _ => bail!("try `floor front 127.0.0.1:8081 /tmp/f.sock` or `floor function /tmp/f.sock`"),
    }
}
