//! Pipelines' runs in virtual time.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::activities::HttpAnswer;
use crate::pipeline::windows::tests::summary;
use crate::worker::testkit::World;

const MINUTE: Duration = Duration::from_secs(60);

/// What was done, in the order it was done.
type Done = Rc<RefCell<Vec<String>>>;

fn input(steps: &str) -> PipelineInput {
    let text = format!(
        "name = 'ward'\n[[source]]\nsource = '+'\nchannel = '+'\n[window]\nlength = '1m'\ntime = 'gateway'\n{steps}"
    );
    let definition = Definition::parse("p.toml", &text).unwrap_or_else(|wrong| panic!("{}", wrong[0]));
    PipelineInput { steps: definition.steps().to_vec(), window: summary() }
}

/// A world in which requests to `/broken` are refused.
fn world(done: &Done) -> World {
    let (published, posted) = (Rc::clone(done), Rc::clone(done));
    World::new()
        .workflow::<PipelineWorkflow>()
        .activity::<MqttPublish>(move |message| {
            published.borrow_mut().push(format!("{} {}", message.topic, message.payload));
            Ok(())
        })
        .activity::<HttpPost>(move |request| {
            posted.borrow_mut().push(format!("{} {}", request.url, request.body));
            if request.url.ends_with("/broken") {
                return Err(Failure::application("answered with 404", "HttpStatus", true));
            }
            Ok(HttpAnswer { status: 201, body: String::new() })
        })
}

fn outcomes(world: &World, run: tidegate_model::id::RunId) -> Vec<StepOutcome> {
    let output: PipelineOutput = world.outcome(run).expect("closed").expect("completed");
    output.steps.into_iter().map(|report| report.outcome).collect()
}

#[test]
fn steps_are_done_in_order_with_what_the_window_held() {
    let done = Done::default();
    let mut world = world(&done);
    let steps = "[[step]]\nkind = 'publish'\ntopic = 'alarm/{source}'\npayload = { mean = '{mean}' }\n\
                 [[step]]\nkind = 'http'\nurl = 'http://127.0.0.1/{source}'\nbody = '{count} {min}'";
    let run = world.start::<PipelineWorkflow>("a", &input(steps));
    world.settle();
    assert_eq!(outcomes(&world, run), [StepOutcome::Published, StepOutcome::Answered { status: 201 }]);
    assert_eq!(
        *done.borrow(),
        ["alarm/ward/bed-12 {\"mean\":131.5}", "http://127.0.0.1/ward%2Fbed-12 3 null"]
    );
    assert_eq!(world.faults(), [""; 0]);
}

const ESCALATION: &str = "[[step]]\nkind = 'publish'\ntopic = 'bed'\npayload = 'high'\n\
    [[step]]\nkind = 'wait'\nsignal = 'seen'\ntimeout = '5m'\non_signal = 'end'\non_timeout = 'continue'\n\
    [[step]]\nkind = 'publish'\ntopic = 'station'\npayload = 'high'";

#[test]
fn a_signal_in_time_ends_an_escalation() {
    let done = Done::default();
    let mut world = world(&done);
    let run = world.start::<PipelineWorkflow>("a", &input(ESCALATION));
    world.advance(4 * MINUTE);
    world.signal("a", "seen", &serde_json::json!({"by": "Nurse"}), "1").expect("open");
    world.settle();
    assert_eq!(outcomes(&world, run), [StepOutcome::Published, StepOutcome::Signaled]);
    assert_eq!(*done.borrow(), ["bed high"]);
}

#[test]
fn without_a_signal_in_time_it_goes_on() {
    let done = Done::default();
    let mut world = world(&done);
    let run = world.start::<PipelineWorkflow>("a", &input(ESCALATION));
    world.run(run, 6 * MINUTE);
    assert_eq!(
        outcomes(&world, run),
        [StepOutcome::Published, StepOutcome::TimedOut, StepOutcome::Published]
    );
    assert_eq!(*done.borrow(), ["bed high", "station high"]);
}

#[test]
fn a_crash_after_any_step_leads_to_the_same_outcome() {
    let mut steps = 0;
    loop {
        let done = Done::default();
        let mut world = world(&done);
        let run = world.start::<PipelineWorkflow>("a", &input(ESCALATION));
        world.run(run, 6 * MINUTE);
        if steps >= world.steps() {
            return;
        }
        world.crash_after(steps.max(1));
        world.run(run, 20 * MINUTE);
        assert_eq!(
            outcomes(&world, run),
            [StepOutcome::Published, StepOutcome::TimedOut, StepOutcome::Published],
            "crash after step {steps}"
        );
        assert_eq!(world.faults(), [""; 0]);
        steps += 1;
    }
}

#[test]
fn a_failure_fails_the_run_unless_the_step_says_otherwise() {
    let done = Done::default();
    let mut world = world(&done);
    let broken = "[[step]]\nname = 'tell'\nkind = 'http'\nurl = 'http://127.0.0.1/broken'\n";
    let after = "[[step]]\nkind = 'publish'\ntopic = 'a'\npayload = 'b'\n";
    let failed = world.start::<PipelineWorkflow>("a", &input(&format!("{broken}{after}")));
    let goes_on =
        world.start::<PipelineWorkflow>("b", &input(&format!("{broken}on_failure = 'continue'\n{after}")));
    let ends = world.start::<PipelineWorkflow>("c", &input(&format!("{broken}on_failure = 'end'\n{after}")));
    world.settle();
    let failure = world.outcome::<PipelineOutput>(failed).expect("closed").expect_err("failed");
    assert_eq!(failure.message, "step \"tell\": activity http.post failed: answered with 404");
    let reason = StepOutcome::Failed { reason: "answered with 404".to_owned() };
    assert_eq!(outcomes(&world, goes_on), [reason.clone(), StepOutcome::Published]);
    assert_eq!(outcomes(&world, ends), [reason]);
}

#[test]
fn a_wait_can_fail_the_run_either_way() {
    let done = Done::default();
    let mut world = world(&done);
    let wait = |on: &str| {
        input(&format!("[[step]]\nname = 'w'\nkind = 'wait'\nsignal = 's'\ntimeout = '60s'\n{on}"))
    };
    let timed_out = world.start::<PipelineWorkflow>("a", &wait(""));
    let signaled = world.start::<PipelineWorkflow>("b", &wait("on_signal = 'fail'"));
    world.signal("b", "s", &(), "1").expect("open");
    world.run(timed_out, 2 * MINUTE);
    let message = |run| world.outcome::<PipelineOutput>(run).expect("closed").expect_err("failed").message;
    assert_eq!(message(timed_out), "step \"w\": signal \"s\" did not come within 60 s");
    assert_eq!(message(signaled), "step \"w\": signal \"s\" came");
}

#[test]
fn the_start_names_the_window_and_carries_the_steps() {
    let text = "name = 'ward'\n[[source]]\nsource = '+'\nchannel = '+'\n[window]\nlength = '1m'\ntime = 'gateway'\n\
                [[step]]\nkind = 'publish'\ntopic = 't'";
    let definition = Definition::parse("p.toml", text).expect("right");
    let start = start_request(&definition, &summary());
    assert_eq!(start.workflow_id.as_str(), "pipeline/ward/ward/bed-12/HR/2026-11-23T18:40:00.000Z");
    assert_eq!(start.task_queue.as_str(), PIPELINE_QUEUE);
    let input: PipelineInput = serde_json::from_slice(&start.input[0].data).expect("JSON");
    assert_eq!(input, PipelineInput { steps: definition.steps().to_vec(), window: summary() });
    // Names as long as they may be still make an id.
    let long = |text: &str| text.repeat(tidegate_model::limits::NAME_BYTES_MAX);
    let mut window = summary();
    window.pipeline = "p".repeat(PIPELINE_NAME_BYTES_MAX);
    (window.source, window.channel) =
        (long("s").parse().expect("a source"), long("c").parse().expect("a channel"));
    assert!(workflow_id(&window).as_str().len() > 500);
}
