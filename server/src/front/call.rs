//! A request that is a call: somebody waits for it, or it is kept for later.

use std::time::SystemTime;

use http::header::AUTHORIZATION;
use http::{Method, StatusCode};

use hotfn_protocols::http1::{Length, RequestHead};
use hotfn_protocols::{Body, Call, CallId, Fault, FunctionId, Headers, Intent, Kind, names};

use super::answer::{self, Answer};
use super::{Front, Stage, fault, request};
use crate::access::Caller;
use crate::calls::Calls;
use crate::conversation::Hangup;

impl Front {
    /// Makes a call of a request that `caller` may make, and an answer of what comes of it.
    ///
    /// # Errors
    /// When the caller has left.
    pub(super) async fn call(
        &self,
        caller: Caller,
        function: FunctionId,
        intent: Intent,
        url: String,
        head: RequestHead,
        body: Body,
    ) -> Result<Answer, Hangup> {
        let id = CallId::new();
        let under_way = self.calls.token();
        let RequestHead { method, lines, length, .. } = head;
        let answered = match self.within_bounds(length) {
            Ok(()) => {
                // A token opens more than this function: it is not the function's to see.
                let headers = match caller {
                    Caller::Anybody if !self.access.names_token(lines.all(&AUTHORIZATION)) => Headers::of(lines),
                    Caller::Anybody | Caller::Holder(_) => Headers::without(lines, &["authorization"]),
                };
                let headers = request::honest(headers);
                let call = Call { id, function, intent, method, url, headers, body, deadline: None };
                self.outcome(call).await
            }
            Err(fault) => Err(fault),
        };
        let mut answer = match answered {
            Ok(answer) => answer,
            Err(fault) if fault.kind() == Kind::CallerLeft => return Err(Hangup),
            Err(fault) => fault::answer(&fault, id),
        };
        (answer.call, answer.under_way) = (Some(id), Some(under_way));
        Ok(answer)
    }

    async fn outcome(&self, call: Call) -> Result<Answer, Fault> {
        if is_detached(&call) {
            // In a box, as what is rare.
            return Box::pin(self.detach(call)).await;
        }
        if let Some(calls) = self.detached.as_ref().filter(|calls| calls.records_all()) {
            return Box::pin(self.recorded(call, calls)).await;
        }
        self.waited_for(call).await
    }

    async fn waited_for(&self, call: Call) -> Result<Answer, Fault> {
        let bodiless = call.method == Method::HEAD;
        let reply = self.invoke.invoke(call).await?;
        answer::of_reply(reply, bodiless).await
    }

    async fn detach(&self, call: Call) -> Result<Answer, Fault> {
        match &self.detached {
            Some(calls) => calls.accept(call).await.map(|()| answer::accepted()),
            None => Ok(answer::refusal(
                StatusCode::NOT_IMPLEMENTED,
                "Detached calls not supported: there is nothing here that keeps them",
            )),
        }
    }

    /// The same as [`waited_for`](Self::waited_for), and a record of it. A call is over for its record
    /// when the answer's head is there, or its fault, or nobody waits for it any more.
    async fn recorded(&self, call: Call, calls: &Calls) -> Result<Answer, Fault> {
        let mut noted =
            Noted { calls, id: call.id, function: call.function.clone(), came: SystemTime::now(), is: false };
        let answer = self.waited_for(call).await;
        noted.note(answer.as_ref().map(drop));
        answer
    }

    /// What can be refused by the head alone.
    fn within_bounds(&self, length: Length) -> Result<(), Fault> {
        if self.stage() >= Stage::Refusing as u8 {
            return Err(Fault::new(Kind::Draining));
        }
        request::within(length, self.config.request_bytes_max)
    }
}

/// A call of which there will be a record, whatever becomes of it.
struct Noted<'a> {
    calls: &'a Calls,
    id: CallId,
    function: FunctionId,
    came: SystemTime,
    is: bool,
}

impl Noted<'_> {
    fn note(&mut self, outcome: Result<(), &Fault>) {
        self.is = true;
        self.calls.note(self.id, &self.function, self.came, outcome);
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if !self.is {
            self.note(Err(&Fault::new(Kind::CallerLeft)));
        }
    }
}

/// Triggers are always synchronous: there the header is the function's.
fn is_detached(call: &Call) -> bool {
    call.intent == Intent::Invoke && call.headers.first(&names::FN_INVOKE_TYPE).is_some_and(|t| t == b"detached")
}
