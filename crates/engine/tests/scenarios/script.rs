//! The language of the stories.
//!
//! A line that begins with `>` is an effect; every other line is an input. [`check`] plays the inputs, writes the effects
//! that follow behind each, and compares the whole with the story.
//!
//! ```text
//! accept SEQUENCE KIND PERSON [from=A] [due=10s] [expires=60s] [order=9] [attempts=3] [interrupted=77] [held=yes] [rank=3] [lacks=yes]
//!        several, between commas, are told together; person `-` is none
//! loaded CALL [without SEQUENCE…]      loaded CALL [over|closed SEQUENCE…]      begun CALL      left CALL
//! sought [found SEQUENCE…] [unknown SEQUENCE…] [gone SEQUENCE…]        seek SEQUENCE…
//! settled SETTLEMENT [unlike SEQUENCE…]
//! answer CALL OUTCOME…                 confirmed relayed rejected transient not_sent unknown refused_together doubtful
//!                                      unauthorized[@SCOPE] throttled[@SCOPE][=30s]; `all OUTCOME` says it of each
//! +30s        time passes              wake        time passes until the engine wants to be woken
//! live SEQUENCE    giving_up SEQUENCE    paused    count    recounted    start    stop    discard SEQUENCE…
//! configure [with NUMBER…] [only NUMBER…] [relaying KIND+KIND] [relaying nothing]
//! ```
//! The numbers A and B are configured unless a story says otherwise; they share one token for conversions, one at CM.com,
//! and nothing else. `with hold`, `with held_lanes`, `with relayed=Block`, `with per_call=4`, `with window=2`, `with rate=2`,
//! `with slots=4` and `without start` stand at the beginning; `configure released` ends `held_lanes`. The kind `Unheard` is
//! one that the policy does not know.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use laneway_engine::{
    Alarm, Cause, Change, Control, Covers, Effect, Engine, Entry, Input, KindSet, Now, NumberSetup, Paused,
    Policy, Reason, ScopeId,
};
use laneway_model::{
    EventKind, Failure, FailureClass, Family, Outcome, PhoneNumber, Route, Scope, Timestamp,
};

/// Plays a story and compares what happened with what it says.
#[track_caller]
pub(crate) fn check(story: &str) {
    let story: Vec<&str> = story.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut stage = Stage::new(&story);
    let mut played = Vec::new();
    for line in &story {
        if !line.starts_with('>') {
            played.push((*line).to_owned());
            played.extend(
                stage.play(line).into_iter().map(|effect| format!("> {effect}").trim_end().to_owned()),
            );
        }
    }
    assert_eq!(
        played.join("\n"),
        story.join("\n"),
        "\nplayed (left) and told (right) differ; played:\n{}\n",
        played.join("\n")
    );
}

struct Stage {
    engine: Engine,
    now: Now,
    /// How every number is set up, but for what is its own.
    setup: NumberSetup,
    /// How many members each call has, as it was sent last.
    members: BTreeMap<u64, usize>,
}

impl Stage {
    fn new(story: &[&str]) -> Self {
        let option = |name: &str| {
            story.iter().find_map(|line| line.strip_prefix("with ")?.strip_prefix(name)?.strip_prefix('='))
        };
        let mut policy = Policy::events();
        if let Some(window) = option("window") {
            policy.limits.window_start = window.parse().unwrap();
        }
        if let Some(slots) = option("slots") {
            policy.limits.calls_in_flight_max = slots.parse().unwrap();
        }
        let conversions = EventKind::all().filter(|kind| kind.family() == Family::Conversions);
        let holds_lost = story.contains(&"with hold");
        let setup = NumberSetup {
            business: business('A'),
            waba: ScopeId(0),
            app: ScopeId(0),
            messages_credential: ScopeId(0),
            conversions_credential: ScopeId(0),
            calls_per_second_max: option("rate").map_or(1000, |rate| rate.parse().unwrap()),
            relay_credential: ScopeId(0),
            conversions_per_call_max: option("per_call").map_or(500, |size| size.parse().unwrap()),
            relayed: option("relayed").map_or(KindSet::NONE, kinds),
            hold_lost: conversions.filter(|_| holds_lost).map(EventKind::code).collect(),
            holds_lanes: story.contains(&"with held_lanes"),
        };
        let now = Now { elapsed_ms: 5_000, wall: Timestamp::from_secs(1_800_000_000) };
        let mut stage = Self { engine: Engine::new(policy, 42), now, setup, members: BTreeMap::new() };
        stage.configure("AB");
        if !story.contains(&"without start") {
            stage.play("start");
        }
        stage
    }

    fn play(&mut self, line: &str) -> Vec<String> {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap();
        let words: Vec<&str> = words.collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let input = match verb {
            "with" | "without" => return Vec::new(),
            "accept" => {
                let drafts = line.strip_prefix("accept ").unwrap().split(", ");
                let entry = |draft: &str| self.entry(&draft.split_whitespace().collect::<Vec<_>>());
                Input::Accepted(drafts.map(entry).collect())
            }
            "loaded" => loaded(&words),
            "begun" => Input::Begun { call: number(0) },
            "left" => Input::Left { call: number(0) },
            "answer" => Input::Answered { call: number(0), outcomes: self.outcomes(number(0), &words[1..]) },
            "settled" => Input::Settled {
                settlement: number(0),
                unlike: words.iter().skip(2).map(|word| word.parse().unwrap()).collect(),
            },
            "sought" => {
                let of = |name: &str| {
                    let rest = words.iter().skip_while(|word| **word != name).skip(1);
                    rest.map_while(|word| word.parse().ok()).collect()
                };
                Input::Sought { found: of("found"), unknown: of("unknown"), gone: of("gone") }
            }
            "seek" => Input::Control(Control::Seek(words.iter().map(|word| word.parse().unwrap()).collect())),
            "start" => Input::Control(Control::Start),
            "stop" => Input::Control(Control::Stop),
            "discard" => {
                Input::Control(Control::Discard(words.iter().map(|word| word.parse().unwrap()).collect()))
            }
            "configure" => return self.reconfigure(&words),
            "wake" => {
                let wake_ms = self.engine.next_wake(self.now).expect("the engine waits for a moment");
                self.pass(Duration::from_millis(wake_ms - self.now.elapsed_ms));
                Input::Tick
            }
            "live" => return vec![self.live(number(0))],
            "giving_up" => {
                let stands = self.engine.giving_up(number(0));
                return vec![stands.map_or("none".to_owned(), |stands| format!("{stands:?}"))];
            }
            "paused" => return self.engine.paused(self.now).iter().map(|one| self.paused(one)).collect(),
            "recounted" => {
                let recounted = self.engine.recounted();
                let text: Vec<_> =
                    recounted.iter().map(|(number, open)| format!("{} {open}", letter(*number))).collect();
                return vec![text.join(", ")];
            }
            "count" => {
                let counts = self.engine.counts();
                return vec![format!(
                    "open {} calls {} settlements {}",
                    counts.open, counts.calls, counts.settlements
                )];
            }
            passed if passed.starts_with('+') => {
                self.pass(duration(&passed[1..]));
                Input::Tick
            }
            other => panic!("a story does not know {other:?}"),
        };
        self.handle(input)
    }

    fn outcomes(&self, call: u64, words: &[&str]) -> Vec<Outcome> {
        match words {
            ["all", word] => vec![outcome(word, self.now); self.members[&call]],
            words => words.iter().map(|word| outcome(word, self.now)).collect(),
        }
    }

    fn handle(&mut self, input: Input) -> Vec<String> {
        let mut effects = Vec::new();
        self.engine.handle(self.now, input, &mut effects);
        for effect in &effects {
            if let Effect::Send { call, members } = effect {
                self.members.insert(*call, members.len());
            }
        }
        effects.iter().map(effect_text).collect()
    }

    fn pass(&mut self, time: Duration) {
        self.now.elapsed_ms += u64::try_from(time.as_millis()).unwrap();
        self.now.wall = self.now.wall.saturating_add(time);
    }

    fn reconfigure(&mut self, words: &[&str]) -> Vec<String> {
        match words {
            ["only", numbers] => return self.configure(numbers),
            ["with", more] => return self.configure(&format!("AB{more}")),
            ["released"] => self.setup.holds_lanes = false,
            ["relaying", "nothing"] => self.setup.relayed = KindSet::NONE,
            ["relaying", list] => self.setup.relayed = kinds(list),
            _ => {}
        }
        self.configure("AB")
    }

    fn configure(&mut self, letters: &str) -> Vec<String> {
        let setups = letters.chars().map(|letter| {
            let own = u32::from(letter);
            NumberSetup {
                business: business(letter),
                waba: ScopeId(own),
                app: ScopeId(own),
                messages_credential: ScopeId(own),
                ..self.setup
            }
        });
        let setups = setups.collect();
        self.handle(Input::Control(Control::Configure(setups)))
    }

    fn entry(&self, words: &[&str]) -> Entry {
        let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let after = |name: &str| option(name).map(|text| self.now.wall.saturating_add(duration(text)));
        let sequence = words[0].parse().unwrap();
        let letter = option("from").map_or('A', |from| from.chars().next().unwrap());
        Entry {
            sequence,
            order: option("order").map_or(sequence, |order| order.parse().unwrap()),
            business: business(letter),
            person_hash: match words[2] {
                "-" => 0,
                person => u64::from(u32::from(letter)) << 32 | u64::from(person.as_bytes()[0]),
            },
            kind: if words[1] == "Unheard" { 250 } else { EventKind::parse(words[1]).unwrap().code() },
            due: after("due").unwrap_or(self.now.wall),
            expires: after("expires").unwrap_or(self.now.wall.saturating_add(Duration::from_hours(24))),
            attempts: option("attempts").map_or(0, |attempts| attempts.parse().unwrap()),
            interrupted: option("interrupted").map(|call| call.parse().unwrap()),
            rank: option("rank").map_or(0, |rank| rank.parse().unwrap()),
            holds_lane: option("held").is_some(),
            lacks: option("lacks").is_some(),
        }
    }

    fn paused(&self, paused: &Paused) -> String {
        let covers = match paused.covers {
            Covers::Family(business, family) => format!("{} {family:?}", letter(business)),
            Covers::Number(business) => letter(business).to_string(),
            Covers::Waba(id) => format!("WABA {}", id.0),
            Covers::Credential(id) => format!("credential {}", id.0),
            Covers::App(id) => format!("app {}", id.0),
        };
        let until = match paused.until {
            None => "is being tried".to_owned(),
            Some(until) if until < self.now.wall => "is to be tried".to_owned(),
            Some(until) => format!("until +{:?}", until.since(self.now.wall)),
        };
        let (route, why) = (at(paused.route), paused.why.as_str());
        let since = self.now.wall.since(paused.since);
        format!("{covers}{route} {why} since -{since:?} {until}, {} wait", paused.waiting)
    }

    fn live(&self, sequence: u64) -> String {
        let Some(live) = self.engine.live(self.now, sequence) else { return "none".to_owned() };
        if live.sending {
            return "sending".to_owned();
        }
        let mut text = "waits".to_owned();
        if let Some(waiting_for) = live.waiting_for {
            write!(text, " for {}", waiting_for.as_str()).unwrap();
            if let Some(at) = live.next_attempt_at {
                write!(text, " until +{:?}", at.since(self.now.wall)).unwrap();
            }
        }
        text
    }
}

fn kinds(list: &str) -> KindSet {
    list.split('+').map(|kind| EventKind::parse(kind).unwrap().code()).collect()
}

fn business(letter: char) -> PhoneNumber {
    PhoneNumber::from_u64(31_600_000_000 + u64::from(u32::from(letter))).unwrap()
}

fn letter(business: PhoneNumber) -> char {
    char::from(u8::try_from(business.as_u64() - 31_600_000_000).unwrap())
}

fn duration(text: &str) -> Duration {
    match text.strip_suffix("ms") {
        Some(millis) => Duration::from_millis(millis.parse().unwrap()),
        None => Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap()),
    }
}

fn outcome(word: &str, now: Now) -> Outcome {
    let (word, until) = match word.split_once('=') {
        Some((word, until)) => (word, Some(now.wall.saturating_add(duration(until)))),
        None => (word, None),
    };
    let (word, scope) = match word.split_once('@') {
        None => (word, Scope::Event),
        Some((word, "number_family")) => (word, Scope::NumberFamily),
        Some((word, "number")) => (word, Scope::Number),
        Some((word, "credential")) => (word, Scope::Credential),
        Some((word, "app")) => (word, Scope::App),
        Some((_, other)) => panic!("a story does not know the scope {other:?}"),
    };
    let class = match word {
        "confirmed" => return Outcome::Confirmed,
        "relayed" => return Outcome::Relayed,
        "rejected" => FailureClass::Rejected,
        "transient" => FailureClass::Transient,
        "not_sent" => FailureClass::NotSent,
        "unknown" => FailureClass::Unknown,
        "refused_together" => FailureClass::RefusedTogether,
        "doubtful" => FailureClass::Doubtful,
        "unauthorized" => FailureClass::Unauthorized,
        "throttled" => FailureClass::Throttled { until },
        other => panic!("a story does not know the outcome {other:?}"),
    };
    Outcome::Failed(Failure { class, scope, code: None, subcode: None, detail: String::new() })
}

fn effect_text(effect: &Effect) -> String {
    match effect {
        Effect::Load { call, members } => format!("load {call} {members:?}"),
        Effect::Begin { call, members } => format!("begin {call} {members:?}"),
        Effect::Send { call, members } => format!("send {call} {members:?}"),
        Effect::Seek { events } => format!("seek {events:?}"),
        Effect::Settle { settlement, cause, changes } => {
            let cause = match cause {
                Cause::Call(call) => format!(" call {call}"),
                Cause::Interrupted(call) => format!(" interrupted {call}"),
                Cause::Decision => String::new(),
            };
            let changes: Vec<String> = changes.iter().map(change_text).collect();
            format!("settle {settlement}{cause}: {}", changes.join(", "))
        }
        Effect::Alarm(Alarm::Unauthorized { business, family, route, scope, .. }) => {
            format!("alarm Unauthorized {} {family:?} {scope:?}{}", letter(*business), at(*route))
        }
        Effect::Alarm(Alarm::Recovered { business, family, route, scope }) => {
            format!("alarm Recovered {} {family:?} {scope:?}{}", letter(*business), at(*route))
        }
    }
}

const fn at(route: Route) -> &'static str {
    match route {
        Route::Meta => "",
        Route::Cm => " at CM.com",
    }
}

fn loaded(words: &[&str]) -> Input {
    let named: Vec<u64> = words.iter().skip(2).map(|word| word.parse().unwrap()).collect();
    let named_as = |word| if words.get(1) == Some(&word) { named.clone() } else { Vec::new() };
    Input::Loaded {
        call: words[0].parse().unwrap(),
        missing: named_as("without"),
        left_over: named_as("over"),
        closed: named_as("closed"),
    }
}

fn change_text(change: &Change) -> String {
    let mut text = format!("{} {}", change.sequence, change.status);
    match change.reason {
        Reason::Answer => {}
        Reason::Superseded { by } => write!(text, " by {by}").unwrap(),
        Reason::Expired
        | Reason::ExpiresBeforeRetry
        | Reason::Closed
        | Reason::AnswerLost
        | Reason::Resend
        | Reason::Halved
        | Reason::Discarded
        | Reason::Lacking => write!(text, " ({:?})", change.reason).unwrap(),
    }
    if change.possibly_duplicate {
        text.push_str(" possibly duplicate");
    }
    if change.holds_lane {
        text.push_str(" holds its lane");
    }
    text
}
