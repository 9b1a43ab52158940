//! JSON in, JSON out: greets whoever it is told of.
//!
//! ```text
//! hotfn run examples/hello -d '{"name":"Ada"}'
//! {"message":"Hello Ada"}
//! ```

use std::process::ExitCode;

use hotfn_fdk::{BoxError, Context, Json};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Person {
    name: String,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Greeting {
    message: String,
}

async fn greet(_: Context, person: Option<Json<Person>>) -> Result<Json<Greeting>, BoxError> {
    let name = person.map_or_else(|| "World".to_owned(), |Json(person)| person.name);
    Ok(Json(Greeting { message: format!("Hello {name}") }))
}

fn main() -> ExitCode {
    hotfn_fdk::main(greet)
}

#[cfg(test)]
mod tests {
    use hotfn_fdk::testing::Call;

    use super::*;

    #[tokio::test]
    async fn greets_by_name_and_the_world_without_one() {
        let answer = Call::new().body(r#"{"name":"Ada"}"#).send(greet).await;
        assert_eq!(answer.json::<Greeting>().message, "Hello Ada");
        let answer = Call::new().send(greet).await;
        assert_eq!(answer.json::<Greeting>().message, "Hello World");
    }

    #[tokio::test]
    async fn what_is_not_a_person_is_refused() {
        let answer = Call::new().body("Ada").send(greet).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (502, "body is not the expected JSON"));
    }
}
