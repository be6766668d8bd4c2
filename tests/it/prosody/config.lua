-- The server of tests/it/prosody.rs. It fills in the words in @…@.

run_as_root = true
daemonize = false
pidfile = "@DIRECTORY@/prosody.pid"
data_path = "@DIRECTORY@/data"
plugin_paths = { "@PLUGINS@" }
certificates = "@DIRECTORY@"
log = { info = "*console" }

modules_enabled = { "saslauth", "tls", "ping", "disco", "ccs" }
-- Its default is 10 kB a second for each session.
modules_disabled = { "limits", "s2s", "offline" }

interfaces = { "@ADDRESS@" }
c2s_ports = {}
s2s_ports = {}
c2s_direct_tls_ports = { 15223 }
c2s_direct_tls_interfaces = { "@ADDRESS@" }
c2s_direct_tls_ssl = { certificate = "@DIRECTORY@/cert.pem", key = "@DIRECTORY@/key.pem" }
component_ports = { 15347 }
component_interfaces = { "@ADDRESS@" }

authentication = "internal_plain"
disable_sasl_mechanisms = { "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "EXTERNAL", "OAUTHBEARER" }
storage = "internal"
ccs_component = "ccs.gcm.googleapis.com"

VirtualHost "gcm.googleapis.com"
	ssl = { certificate = "@DIRECTORY@/cert.pem", key = "@DIRECTORY@/key.pem" }

Component "ccs.gcm.googleapis.com"
	component_secret = "component-secret"
	validate_from_addresses = true
