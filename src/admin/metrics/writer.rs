//! Writes one metric family after the other.

use std::fmt::Error;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeLabel, EncodeMetric, MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// The registry's encoder; it puts the prefix before each name, and `_total` or `_info` behind it.
pub(super) struct Writer<'a> {
    encoder: DescriptorEncoder<'a>,
}

// === impl Writer ===

impl<'a> Writer<'a> {
    pub(super) const fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self { encoder }
    }

    pub(super) fn counter<N: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        value: N,
    ) -> Result<(), Error> {
        ConstCounter::new(value).encode(self.family(name, help, MetricType::Counter)?)
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) -> Result<(), Error> {
        ConstGauge::new(value).encode(self.family(name, help, MetricType::Gauge)?)
    }

    pub(super) fn info<L: EncodeLabel>(&mut self, name: &str, help: &str, labels: &[L]) -> Result<(), Error> {
        self.family(name, help, MetricType::Info)?.encode_info(&labels)
    }

    pub(super) fn counters<L: EncodeLabel, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: &[([L; N], u64)],
    ) -> Result<(), Error> {
        let mut family = self.family(name, help, MetricType::Counter)?;
        series
            .iter()
            .try_for_each(|(labels, value)| ConstCounter::new(*value).encode(family.encode_family(labels)?))
    }

    pub(super) fn gauges<L: EncodeLabel, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: &[([L; N], f64)],
    ) -> Result<(), Error> {
        let mut family = self.family(name, help, MetricType::Gauge)?;
        series
            .iter()
            .try_for_each(|(labels, value)| ConstGauge::new(*value).encode(family.encode_family(labels)?))
    }

    fn family<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, Error> {
        self.encoder.encode_descriptor(name, help, None, kind)
    }
}
