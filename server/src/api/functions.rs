//! Functions.

use std::ops::RangeInclusive;

use http::StatusCode;

use hotfn_protocols::Format;

use crate::access::Caller;
use crate::calls::retry;
use crate::config::function as limit;
use crate::store::Function;
use crate::store::record::Knobs;

use super::page::{Items, Query};
use super::{Answer, Api, Problem, annotations, input, rights, rules};

/// MB, where nobody says more.
const MEMORY: u64 = 128;
/// Seconds.
const TIMEOUT: u64 = 30;
/// Seconds.
const IDLE_TIMEOUT: u64 = 30;

impl Api {
    pub(super) async fn create_function(&self, body: &[u8], base: &str) -> Result<Answer, Problem> {
        let mut given: input::Function = input::read(body)?;
        rules::no_id(given.id.as_deref())?;
        let name = rules::required("name", given.name.take())?;
        rules::check("name", limit::name(&name))?;
        let app_id = rules::required("app_id", given.app_id.take())?;
        given.image = Some(rules::required("image", given.image.take())?);
        let mut function = Function {
            name,
            app_id,
            memory: MEMORY,
            timeout: TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            config: rules::variables(given.config.take())?,
            annotations: annotations::given(given.annotations.take())?,
            ..Function::default()
        };
        self.change(&mut function, given)?;
        let function = self.store.create_function(function).await?;
        Ok(Answer::json(&annotations::with_invoke_endpoint(function, base)))
    }

    pub(super) async fn function(&self, id: &str, base: &str, caller: &Caller) -> Result<Answer, Problem> {
        let function = rights::function(self.store.function(id).await?, caller);
        Ok(Answer::json(&annotations::with_invoke_endpoint(function, base)))
    }

    pub(super) async fn functions(&self, query: Query<'_>, base: &str, caller: &Caller) -> Result<Answer, Problem> {
        let app = rules::required("app_id", query.first("app_id").map(Into::into))?;
        let page = query.page()?;
        let functions = self.store.functions(&app, query.first("name").as_deref(), &page).await?;
        let told = Items::new(functions, &page)
            .map(|function| annotations::with_invoke_endpoint(rights::function(function, caller), base));
        Ok(Answer::json(&told))
    }

    /// As in Fn, the answer does not say where the function is called.
    pub(super) async fn update_function(&self, id: &str, body: &[u8]) -> Result<Answer, Problem> {
        let given: input::Function = input::read(body)?;
        rules::same_id(id, given.id.as_deref())?;
        let function = self.store.update_function(id, |function| self.change(function, given)).await?;
        Ok(Answer::json(&function))
    }

    pub(super) async fn delete_function(&self, id: &str) -> Result<Answer, Problem> {
        self.store.delete_function(id).await?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    /// Makes of `function` what was given. Name and app stay as they are, whatever is said of them.
    fn change(&self, function: &mut Function, given: input::Function) -> Result<(), Problem> {
        if let Some(image) = input::some(given.image).filter(|image| *image != function.image) {
            rules::check("image", self.driver.takes(&image))?;
            function.image = image;
        }
        number(&mut function.memory, given.memory, "memory", limit::MEMORY_MB, "MB")?;
        number(&mut function.timeout, given.timeout, "timeout", limit::TIMEOUT_S, "s")?;
        number(&mut function.idle_timeout, given.idle_timeout, "idle_timeout", limit::IDLE_TIMEOUT_S, "s")?;
        rules::merge_variables(&mut function.config, given.config)?;
        rules::merge_secrets(&mut function.secrets, given.secrets)?;
        annotations::merge(&mut function.annotations, given.annotations)?;

        let knobs = &mut function.knobs;
        if let Some(format) = input::some(given.format) {
            knobs.format = Some(rules::check("format", limit::format(&format))?);
        }
        if let Some(dir) = given.dir {
            rules::check("dir", limit::variable("dir", &dir))?;
            knobs.dir = Some(dir).filter(|dir| !dir.is_empty()).map(Into::into);
        }
        knob(&mut knobs.cpu_milli, given.cpu_milli, "cpu_milli", limit::ANY)?;
        knob(&mut knobs.concurrency, given.concurrency, "concurrency", limit::CONCURRENCY)?;
        knob(&mut knobs.min_warm, given.min_warm, "min_warm", 0..=*limit::CONTAINERS.end())?;
        knob(&mut knobs.stock, given.stock, "stock", limit::STOCK)?;
        knob(&mut knobs.max_containers, given.max_containers, "max_containers", limit::CONTAINERS)?;
        let calls = "max_calls_per_container";
        knob(&mut knobs.max_calls_per_container, given.max_calls_per_container, calls, limit::SOME)?;
        knob(&mut knobs.max_age, given.max_age, "max_age", limit::SOME)?;
        knob(&mut knobs.queue_max, given.queue_max, "queue_max", limit::ANY)?;
        knob(&mut knobs.rate, given.rate, "rate", limit::RATE)?;
        knob(&mut knobs.burst, given.burst, "burst", limit::RATE)?;
        knob(&mut knobs.queue_wait_max_ms, given.queue_wait_max_ms, "queue_wait_max_ms", limit::ANY)?;
        let retries = &mut knobs.retries;
        knob(&mut retries.attempts, given.retry_attempts, "retry_attempts", retry::ATTEMPTS)?;
        knob(&mut retries.delay_ms, given.retry_delay_ms, "retry_delay_ms", retry::DELAY_MS)?;
        knob(&mut retries.growth, given.retry_growth, "retry_growth", retry::GROWTH)?;
        knob(&mut retries.delay_max_ms, given.retry_delay_max_ms, "retry_delay_max_ms", retry::DELAY_MS)?;
        together(knobs)
    }
}

/// A knob of Fn's: 0 leaves it as it is.
fn number(
    value: &mut u64,
    given: Option<i64>,
    member: &str,
    range: RangeInclusive<u64>,
    unit: &str,
) -> Result<(), Problem> {
    if let Some(given) = given.filter(|&given| given != 0) {
        *value = rules::check(member, limit::within(given, range, unit))?;
    }
    Ok(())
}

/// A knob of ours: a negative number puts it back to its default.
fn knob<T: TryFrom<u64>>(
    value: &mut Option<T>,
    given: Option<i64>,
    member: &str,
    range: RangeInclusive<u64>,
) -> Result<(), Problem> {
    *value = match given {
        None => return Ok(()),
        Some(..0) => None,
        Some(given) => T::try_from(rules::check(member, limit::within(given, range, ""))?).ok(),
    };
    Ok(())
}

/// What knobs say of each other.
fn together(knobs: &Knobs) -> Result<(), Problem> {
    let format = knobs.format.unwrap_or(Format::HttpStream);
    rules::check("concurrency", limit::concurrency(knobs.concurrency.unwrap_or(1), format))?;
    rules::check("burst", limit::rate(knobs.rate, knobs.burst))?;
    rules::check("min_warm", limit::min_warm(knobs.min_warm.unwrap_or(0), knobs.max_containers))
}
