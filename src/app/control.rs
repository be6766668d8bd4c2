//! The operator's commands, carried out on the tree and the switches.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pushweir_actors::{StopMode, SupervisorError, SupervisorHandle};
use serde_json::Value;

use super::routes::LiveRoute;
use super::service::Service;
use super::tree::GRACE;
use super::{scale, test_push};
use crate::collector::InjectPanic;
use crate::flow::{Command, CommandError, Nudge, PusherCell, PusherState, RestartMode};
use crate::telemetry::log as logging;

/// How long a rolling restart waits for one pusher to be ready again before it goes on.
const READY_WITHIN: Duration = Duration::from_secs(30);
const READY_LOOK: Duration = Duration::from_millis(50);

/// Keeps a route from being changed by others until dropped.
pub(super) struct Busy(Arc<LiveRoute>);

/// Carries out a command, and returns what it found out, if that is not the new state of what it changed.
///
/// # Errors
/// What it names does not exist, or it makes no sense now.
pub async fn carry_out(service: &Arc<Service>, command: Command) -> Result<Option<Value>, CommandError> {
    match command {
        Command::TestPush { route, to } => test_push::send(service, &route, &to).await.map(Some),
        other => change(service, other).await.map(|()| None),
    }
}

async fn change(service: &Arc<Service>, command: Command) -> Result<(), CommandError> {
    match command {
        Command::RestartPusher { route, number, mode } => {
            pusher(service, &route, number)?;
            restart(&supervisor(service, &route)?, &route, number, mode).await
        }
        Command::PausePusher { route, number } => switch_pusher(service, &route, number, true),
        Command::ResumePusher { route, number } => switch_pusher(service, &route, number, false),
        Command::RestartRoute { route, mode } => restart_route(service, &route, mode),
        Command::ScaleRoute { route, connections } => scale::scale(service, &route, connections).await,
        Command::PauseRoute { route } => switch_route(service, &route, true),
        Command::ResumeRoute { route } => switch_route(service, &route, false),
        Command::TraceNext { count } => trace_next(service, count),
        Command::SetLog { filter } => {
            logging::set_filter(&filter);
            Ok(())
        }
        Command::TestPush { .. } => Err(CommandError::Invalid("a test push changes nothing".to_owned())),
        Command::Panic { target } => panic_in(service, &target),
        Command::Drain => switch_intake(service, true),
        Command::Resume => switch_intake(service, false),
    }
}

fn trace_next(service: &Service, count: u32) -> Result<(), CommandError> {
    if service.parts.tracer.want(count) {
        return Ok(());
    }
    let message = "traces have no receiver (hint: set [telemetry.traces] endpoint and reload)";
    Err(CommandError::Conflict(message.to_owned()))
}

/// Finds a route.
pub(super) fn route(service: &Service, name: &str) -> Result<Arc<LiveRoute>, CommandError> {
    match service.parts.route(name) {
        Some(route) => Ok(Arc::clone(route)),
        None => {
            Err(CommandError::NotFound { what: format!("route {name:?}"), exists: service.route_names() })
        }
    }
}

fn pusher(service: &Service, name: &str, number: u32) -> Result<Arc<PusherCell>, CommandError> {
    let route = route(service, name)?;
    let found = route.cell.pusher(number);
    found.ok_or_else(|| CommandError::NotFound {
        what: format!("pusher {name}/{number}"),
        exists: numbers(name, &route.cell.pushers()),
    })
}

/// Says which pushers a route has.
fn numbers(name: &str, pushers: &[Arc<PusherCell>]) -> String {
    match pushers {
        [] => "none".to_owned(),
        [only] => format!("{name}/{}", only.number),
        [first, .., last] => {
            format!("{} of them from {name}/{} to {name}/{}", pushers.len(), first.number, last.number)
        }
    }
}

/// Returns the live supervisor of a route.
pub(super) fn supervisor(service: &Service, name: &str) -> Result<SupervisorHandle, CommandError> {
    service.route_supervisor(name).ok_or_else(|| {
        CommandError::Conflict(format!(
            "route {name:?} is down: its supervisor is being started again (hint: try again)"
        ))
    })
}

/// Takes a route for a change that takes a while.
pub(super) fn busy(route: &Arc<LiveRoute>) -> Result<Busy, CommandError> {
    if route.is_busy.swap(true, Ordering::AcqRel) {
        let name = &route.cell.name;
        return Err(CommandError::Conflict(format!(
            "route {name:?} is being restarted or scaled (hint: wait for it)"
        )));
    }
    Ok(Busy(Arc::clone(route)))
}

async fn restart(
    supervisor: &SupervisorHandle,
    route: &str,
    number: u32,
    mode: RestartMode,
) -> Result<(), CommandError> {
    let id = format!("{route}/{number}");
    log::info!("restarting pusher={id} mode={mode:?}");
    let mode = match mode {
        RestartMode::Graceful => StopMode::Graceful(GRACE),
        RestartMode::Force => StopMode::Force,
    };
    supervisor.restart_child(&id, mode).await.map_err(|error| conflict(&error))
}

fn restart_route(service: &Arc<Service>, name: &str, mode: RestartMode) -> Result<(), CommandError> {
    let route = route(service, name)?;
    let supervisor = supervisor(service, name)?;
    let busy = busy(&route)?;
    actix::spawn(async move {
        let name = &route.cell.name;
        for cell in route.cell.pushers() {
            if let Err(error) = restart(&supervisor, name, cell.number, mode).await {
                log::warn!("rolling restart pusher={name}/{} error={error}", cell.number);
            }
            wait_until_ready(&cell).await;
        }
        log::info!("rolling restart finished route={name}");
        drop(busy);
    });
    Ok(())
}

/// One pusher at a time: the next one is not touched before this one takes pushes again, or clearly will not.
async fn wait_until_ready(cell: &PusherCell) {
    let ready = async {
        while !matches!(cell.state(), PusherState::Ready | PusherState::Paused | PusherState::Failed) {
            tokio::time::sleep(READY_LOOK).await;
        }
    };
    if tokio::time::timeout(READY_WITHIN, ready).await.is_err() {
        log::warn!(
            "rolling restart goes on without pusher number={} state={}",
            cell.number,
            cell.state().as_str()
        );
    }
}

/// Says in an operator's words why a supervisor did not do something: what it supervises is pushers.
pub(super) fn conflict(error: &SupervisorError) -> CommandError {
    CommandError::Conflict(match error {
        SupervisorError::NotFound { id, .. } => {
            format!("pusher {id} is not there any more (hint: it was scaled away)")
        }
        SupervisorError::AlreadyStarted(id) => format!("pusher {id} runs already"),
        SupervisorError::AlreadyPresent(id) => format!("pusher {id} is there and stopped (hint: restart it)"),
        SupervisorError::NotDown(id) => format!("pusher {id} has not stopped yet (hint: try again)"),
        SupervisorError::StartFailed { id, reason } => format!("pusher {id} did not start: {reason}"),
        SupervisorError::Superseded(id) => format!("a later command to pusher {id} overtook this one"),
        SupervisorError::NotReady(route) => {
            format!("route {route:?} is still being started (hint: try again)")
        }
        SupervisorError::ShuttingDown(route) => format!("route {route:?} is being stopped (hint: try again)"),
        SupervisorError::Spec(error) => error.to_string(),
    })
}

fn panic_in(service: &Service, target: &str) -> Result<(), CommandError> {
    if !service.parts.live.lock().runtime.fault_injection {
        let text = "fault injection is off (hint: set [runtime] fault_injection = true where that is wanted)";
        return Err(CommandError::Conflict(text.to_owned()));
    }
    let unknown = || CommandError::NotFound {
        what: format!("actor {target:?}"),
        exists: "collector, and each pusher as route/number".to_owned(),
    };
    log::warn!("injecting a panic target={target}");
    if target == "collector" {
        let collector = service.collector().ok_or_else(unknown)?;
        let sent = collector.try_send(InjectPanic);
        return sent.map_err(|_| {
            CommandError::Conflict("the collector is being restarted (hint: try again)".to_owned())
        });
    }
    let (route, number) = target.split_once('/').ok_or_else(unknown)?;
    let cell = pusher(service, route, number.parse().map_err(|_| unknown())?)?;
    if cell.nudge(Nudge::Panic) {
        return Ok(());
    }
    Err(CommandError::Conflict(format!("pusher {target} is being restarted (hint: try again)")))
}

fn switch_pusher(service: &Service, name: &str, number: u32, pause: bool) -> Result<(), CommandError> {
    let cell = pusher(service, name, number)?;
    if cell.is_paused() == pause {
        return Err(already(&format!("pusher {name}/{number}"), pause));
    }
    cell.set_paused(pause);
    cell.nudge(Nudge::LookAtSwitches);
    Ok(())
}

fn switch_route(service: &Service, name: &str, pause: bool) -> Result<(), CommandError> {
    let route = route(service, name)?;
    if route.cell.paused.swap(pause, Ordering::AcqRel) == pause {
        return Err(already(&format!("route {name:?}"), pause));
    }
    for cell in route.cell.pushers() {
        cell.nudge(Nudge::LookAtSwitches);
    }
    Ok(())
}

fn switch_intake(service: &Service, drain: bool) -> Result<(), CommandError> {
    if service.is_stopping.load(Ordering::Acquire) {
        return Err(CommandError::Conflict("the service is shutting down".to_owned()));
    }
    let intake = &service.parts.intake;
    if intake.is_draining() == drain {
        let text = if drain { "the intake is drained already" } else { "the intake is open already" };
        return Err(CommandError::Conflict(text.to_owned()));
    }
    intake.set_draining(drain);
    Ok(())
}

fn already(what: &str, paused: bool) -> CommandError {
    CommandError::Conflict(format!("{what} is {}", if paused { "paused already" } else { "not paused" }))
}

// === impl Busy ===

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::Release);
    }
}
