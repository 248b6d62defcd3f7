//! One session: what it is, what was said in it, and who listens.

use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use super::{Ending, Listener};
use crate::cuts::Cuts;
use crate::exchange::{Body, Reply};
use crate::fault::Fault;
use crate::wire::Wire;

pub(super) struct Session {
    pub(super) resource: Value,
    pub(super) items: Vec<Value>,
    listeners: Vec<Listener>,
    id: String,
    turns: usize,
    events: usize,
}

impl Session {
    pub(super) fn new(id: String, body: &Value, now: u64) -> Self {
        let given = &body["agent"];
        let or = |value: &Value, other: Value| {
            if value.is_null() {
                other
            } else {
                value.clone()
            }
        };
        let agent = json!({
            "id": or(&body["agent_id"], json!(format!("agent_of_{id}"))),
            "instructions": given["instructions"],
            "model": or(&given["model"], json!("gpt-5.6-luna")),
            "multi_agent": {"enabled": false},
            "name": null,
            "reasoning": or(&given["reasoning"], json!({})),
            "service_tier": "auto",
            "text": {"format": {"type": "text"}, "verbosity": "medium"},
            "tools": or(&given["tools"], json!([])),
        });
        let mut environment = body["environment"].clone();
        if environment["type"] == "self_hosted" {
            environment["id"] = json!("env_1");
            environment["remote_url"] = json!("wss://exec.example/env_1");
            environment["capability_directories"] = json!([]);
        }
        let resource = json!({
            "id": id,
            "object": "agent.session",
            "agent": agent,
            "created_at": now,
            "last_active_at": now,
            "environment": environment,
            "error": null,
            "metadata": or(&body["metadata"], json!({})),
            "required_actions": [],
            "status": "idle",
            "usage": null,
            "vault_ids": [],
        });
        Self {
            resource,
            items: Vec::new(),
            listeners: Vec::new(),
            id,
            turns: 0,
            events: 0,
        }
    }

    /// Lets somebody listen: the head of the reply goes at once, the events when they come.
    pub(super) fn listen(&mut self, has_padding: bool, faults: &[Fault], cuts: Cuts) -> Reply {
        let (steps, receiver) = unbounded_channel();
        let left = faults.iter().find_map(|fault| match fault {
            Fault::End { after } => Some((*after, Ending::End)),
            Fault::Cut { after, .. } => Some((after.unwrap_or(0), Ending::Cut)),
            _ => None,
        });
        self.listeners.push(Listener {
            steps,
            left,
            has_padding,
            cuts,
        });
        Reply {
            status: 200,
            headers: vec![(
                "content-type".to_owned(),
                Wire::Sse.content_type().to_owned(),
            )],
            body: Body::Live(receiver),
        }
    }

    /// Says that the session is there, and takes what it was made with.
    pub(super) fn begin(&mut self, input: &Value) {
        self.tell(json!({"type": "agent.session.created", "session": self.resource}));
        match input {
            Value::Null => {}
            Value::String(text) => self.turn(text),
            messages => {
                let texts = messages.as_array().into_iter().flatten().map(said);
                let texts: Vec<String> = texts.collect();
                self.turn(&texts.join(" "));
            }
        }
    }

    /// Takes a submitted event.
    pub(super) fn take(&mut self, event: &Value) {
        if event["type"] == "agent.session.input.cancel" {
            self.rest();
            return;
        }
        let messages = event["input"].as_array().into_iter().flatten();
        let texts: Vec<String> = messages.map(said).collect();
        self.turn(&texts.join(" "));
    }

    fn tell(&mut self, mut event: Value) {
        self.events += 1;
        event["event_id"] = json!(format!("evt_{}_{}", self.id, self.events));
        if event["session"].is_null() {
            event["session_id"] = json!(self.id);
            if let Value::Object(members) = &mut event {
                members.remove("session");
            }
        }
        for listener in &mut self.listeners {
            listener.hear(&event);
        }
        self.listeners
            .retain(|listener| !listener.steps.is_closed());
    }

    fn rest(&mut self) {
        self.resource["status"] = json!("idle");
        self.tell(json!({"type": "agent.session.idle", "session": self.resource}));
    }

    fn turn(&mut self, text: &str) {
        self.turns += 1;
        let turn_id = format!("turn_{}_{}", self.id, self.turns);
        let item = |id: &str, role: &str, content: Value| {
            json!({"id": format!("{id}_{turn_id}"), "type": "message", "role": role, "phase": null,
                   "status": "completed", "turn_id": turn_id, "content": content})
        };
        let asked = item("in", "user", json!([{"type": "input_text", "text": text}]));
        let answer = format!("You said: {text}");
        let told = item(
            "msg",
            "assistant",
            json!([{"type": "output_text", "text": answer}]),
        );
        let item_id = told["id"].clone();
        let mut empty = told.clone();
        empty["content"] = json!([]);
        empty["status"] = json!("in_progress");
        let mut turn = json!({
            "id": turn_id, "object": "agent.session.turn", "agent_id": self.resource["agent"]["id"],
            "session_id": self.id, "created_at": self.resource["created_at"], "status": "in_progress",
            "subagent_id": null, "error": null, "usage": null,
        });
        self.items.push(asked);
        self.resource["status"] = json!("in_progress");
        self.tell(json!({"type": "agent.session.in_progress", "session": self.resource}));
        let of_turn = |kind: &str, more: Value| {
            let mut event = more;
            event["type"] = json!(format!("agent.session.turn.{kind}"));
            event["turn_id"] = json!(turn_id);
            event
        };
        let at = json!({"item_id": item_id, "output_index": 0, "content_index": 0});
        let placed = |name: &str, value: &str| {
            let mut event = at.clone();
            event[name] = json!(value);
            event
        };
        self.tell(of_turn("created", json!({"turn": turn})));
        self.tell(of_turn("in_progress", json!({"turn": turn})));
        self.tell(of_turn(
            "item.added",
            json!({"item": empty, "output_index": 0}),
        ));
        for word in answer.split_inclusive(' ') {
            self.tell(of_turn("output_text.delta", placed("delta", word)));
        }
        self.tell(of_turn("output_text.done", placed("text", &answer)));
        self.tell(of_turn(
            "item.done",
            json!({"item": told, "output_index": 0}),
        ));
        self.items.push(told);
        turn["status"] = json!("completed");
        let usage = json!({
            "input_tokens": 5, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 12,
        });
        self.tell(of_turn("completed", json!({"turn": turn, "usage": usage})));
        self.rest();
    }
}

/// The text of a message; nothing if it has none.
pub(super) fn said(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        content => {
            let parts = content.as_array().into_iter().flatten();
            let texts = parts.filter(|part| part["type"] == "input_text");
            texts.filter_map(|part| part["text"].as_str()).collect()
        }
    }
}
