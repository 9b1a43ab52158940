//! What whoever asks is told, family by family.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::{Seen, Spread};

/// A page of families of metrics, as a collector writes it.
#[derive(Debug)]
pub struct Page<'a>(DescriptorEncoder<'a>);

/// A label and its word.
type Label<'a> = (&'a str, &'a str);

impl<'a> Page<'a> {
    /// What `encoder` is given.
    #[must_use]
    pub fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Something that only grows; `_total` is added to its name.
    ///
    /// # Errors
    /// When the page takes no more, as for all that is written here.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// The same, one for each set of labels.
    ///
    /// # Errors
    /// See [`Page::counter`].
    pub fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        values.into_iter().try_for_each(|(labels, value)| {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    /// A counter that is told in seconds, such as the time a processor worked for us.
    ///
    /// # Errors
    /// See [`Page::counter`].
    pub fn seconds(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// The same, one for each set of labels.
    ///
    /// # Errors
    /// See [`Page::counter`].
    pub fn seconds_by<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        values.into_iter().try_for_each(|(labels, value)| {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    /// Something that goes up and down.
    ///
    /// # Errors
    /// See [`Page::counter`].
    pub fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// The same, one for each word of `label`.
    ///
    /// # Errors
    /// See [`Page::counter`].
    pub fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values.into_iter().try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }

    /// What is named as Fn names it, whatever suffix a counter should have.
    ///
    /// # Errors
    /// See [`Page::counter`].
    pub fn plain(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Unknown)?.encode_gauge(&value)
    }

    /// The same, one for each set of labels.
    ///
    /// # Errors
    /// See [`Page::counter`].
    pub fn plains<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Unknown)?;
        values.into_iter().try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }

    /// Durations in seconds.
    ///
    /// # Errors
    /// See [`Page::counter`].
    pub fn durations(&mut self, name: &str, help: &str, seen: &Seen) -> fmt::Result {
        self.histogram(name, help, seen, SECOND)
    }

    /// The same, one family member for each set of labels.
    ///
    /// # Errors
    /// See [`Page::counter`].
    pub fn durations_by<'s, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        all: impl IntoIterator<Item = (L, &'s Seen)>,
    ) -> fmt::Result {
        self.histograms(name, help, all, SECOND)
    }

    /// Amounts of something else.
    ///
    /// # Errors
    /// See [`Page::counter`].
    pub fn amounts(&mut self, name: &str, help: &str, spread: &Spread) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        family.encode_histogram::<NoLabelSet>(spread.sum(), spread.count(), &spread.spans(), None)
    }

    /// Durations in milliseconds, which some of Fn's names are in, one family member for each set of labels.
    ///
    /// # Errors
    /// See [`Page::counter`].
    pub fn millis<'s, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        all: impl IntoIterator<Item = (L, &'s Seen)>,
    ) -> fmt::Result {
        self.histograms(name, help, all, MILLISECOND)
    }

    /// The same without labels.
    ///
    /// # Errors
    /// See [`Page::counter`].
    pub fn milli(&mut self, name: &str, help: &str, seen: &Seen) -> fmt::Result {
        self.histogram(name, help, seen, MILLISECOND)
    }

    /// Words that stay the same for as long as the process lives.
    ///
    /// # Errors
    /// See [`Page::counter`].
    pub fn info(&mut self, name: &str, help: &str, labels: &[Label<'_>]) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }

    fn histogram(&mut self, name: &str, help: &str, seen: &Seen, scale: f64) -> fmt::Result {
        member(&mut self.0.encode_descriptor(name, help, None, MetricType::Histogram)?, seen, scale)
    }

    fn histograms<'s, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        all: impl IntoIterator<Item = (L, &'s Seen)>,
        scale: f64,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        all.into_iter().try_for_each(|(labels, seen)| member(&mut family.encode_family(&labels)?, seen, scale))
    }
}

/// What a second is, in the unit that is told.
const SECOND: f64 = 1.0;
const MILLISECOND: f64 = 1000.0;

fn member(family: &mut MetricEncoder<'_>, seen: &Seen, scale: f64) -> fmt::Result {
    family.encode_histogram::<NoLabelSet>(seen.sum(scale), seen.count(), &seen.spans(scale), None)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::collector::Collector;
    use prometheus_client::registry::Registry;

    use super::super::Buckets;
    use super::*;

    #[derive(Debug)]
    struct Everything;

    impl Collector for Everything {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let buckets = Buckets::default();
            buckets.note(Duration::from_millis(2));
            let seen = Seen::of([&buckets]);
            let mut page = Page::new(encoder);
            page.counter("a", "A", 1)?;
            page.counters("b", "B", [([("x", "y")], 2)])?;
            page.gauge("c", "C", 3)?;
            page.plain("fn_d", "D", 4)?;
            page.info("e", "E", &[("version", "1")])?;
            page.durations("f_seconds", "F", &seen)?;
            page.millis("fn_g", "G", [([("path", "/")], &seen)])
        }
    }

    #[test]
    fn each_family_is_told_as_its_kind_is() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Everything));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "# TYPE a counter\na_total 1\n",
            "b_total{x=\"y\"} 2\n",
            "# TYPE c gauge\nc 3\n",
            "# TYPE fn_d unknown\nfn_d 4\n",
            "e_info{version=\"1\"} 1\n",
            "f_seconds_sum 0.002\nf_seconds_count 1\n",
            "f_seconds_bucket{le=\"0.001\"} 0\nf_seconds_bucket{le=\"0.0025\"} 1\n",
            "fn_g_bucket{le=\"2.5\",path=\"/\"} 1\n",
            "fn_g_count{path=\"/\"} 1\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
    }
}
