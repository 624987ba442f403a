//! Where the daemon's messages go: to the journal where systemd has started it, else to standard error.
//! No message names a customer.

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts to write messages; `TENURE_LOG` says which, such as `debug`.
pub fn start() {
    let filter = std::env::var("TENURE_LOG").unwrap_or_else(|_| "warn,tenure=info".into());
    let filter = EnvFilter::new(filter);
    let registry = tracing_subscriber::registry().with(filter);
    let journal = match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => tracing_journald::layer().ok(),
        None => None,
    };
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A second start in one process keeps the first one's.
    let _ = match journal {
        Some(journal) => registry.with(journal).try_init(),
        None => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_target(false)
                    .with_ansi(is_terminal),
            )
            .try_init(),
    };
}
