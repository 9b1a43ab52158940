//! What kind of content a media type stands for.

/// How content of some type is carried by an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Media {
    /// An event itself.
    Event,
    /// As the JSON it is.
    Json,
    /// Not at all.
    Other,
    /// As a JSON string.
    Text,
}

impl Media {
    /// Looks at the type and subtype; parameters and case do not count. No type is [`Media::Other`].
    pub(super) fn of(content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/cloudevents+json" => Self::Event,
            "application/json" => Self::Json,
            // A form is text: what in it is not plain ASCII is percent-encoded. It is also what
            // `curl -d` says its data is.
            "application/javascript" | "application/x-www-form-urlencoded" | "application/xml" | "application/yaml" => {
                Self::Text
            }
            other if other.ends_with("+json") => Self::Json,
            other if other.starts_with("text/") || other.ends_with("+xml") => Self::Text,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_case_do_not_count() {
        let check =
            |content_type: &str, expected: Media| assert_eq!(Media::of(content_type), expected, "{content_type:?}");
        check("application/json", Media::Json);
        check("Application/JSON; charset=utf-8", Media::Json);
        check("application/problem+json", Media::Json);
        check("application/cloudevents+json;charset=utf-8", Media::Event);
        check("application/cloudevents-batch+json", Media::Json);
        check("text/plain", Media::Text);
        check(" text/html ; charset=utf-8", Media::Text);
        check("image/svg+xml", Media::Text);
        check("application/x-www-form-urlencoded", Media::Text);
        check("application/octet-stream", Media::Other);
        check("image/png", Media::Other);
        check("", Media::Other);
        check(";", Media::Other);
    }
}
