//! Client TLS by native-tls: the one place that builds connectors.
