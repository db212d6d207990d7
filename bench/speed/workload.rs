//! What is asked of a client: [`Workload`].

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::stage::Threads;

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Call {
    /// A value of so many bytes is read.
    Get(usize),
    Set(usize),
    Incr,
    /// So many `GET`s of 64 bytes at once.
    Pipeline(usize),
    /// A list of so many elements of 64 bytes is read.
    Range(usize),
}

/// A call, again and again, by so many tasks at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Workload {
    pub(crate) call: Call,
    pub(crate) tasks: usize,
    pub(crate) threads: Threads,
    pub(crate) cluster: bool,
}

/// How many keys of each size there are.
pub(crate) const KEYS: usize = 1_024;
/// How many large values there are.
pub(crate) const LARGE_KEYS: usize = 16;

/// A value to write. Each client takes the form that it has to copy least.
pub(crate) struct Payload {
    pub(crate) text: String,
    pub(crate) bytes: Bytes,
}

impl Call {
    /// The key that a task works on.
    pub(crate) fn key(self, task: usize) -> String {
        match self {
            Self::Get(size) | Self::Set(size) if size > 1_024 => {
                format!("value:{size}:{}", task % LARGE_KEYS)
            }
            Self::Get(size) | Self::Set(size) => format!("value:{size}:{}", task % KEYS),
            Self::Incr => format!("counter:{}", task % KEYS),
            Self::Pipeline(_) => format!("value:64:{}", task % KEYS),
            Self::Range(elements) => format!("list:{elements}"),
        }
    }

    /// What is written, in each of its forms.
    pub(crate) fn payload(self) -> Payload {
        let text = self.value();
        let bytes = Bytes::from(text.clone());
        Payload { text, bytes }
    }

    /// What is written.
    pub(crate) fn value(self) -> String {
        match self {
            Self::Set(size) | Self::Get(size) => "v".repeat(size),
            Self::Incr | Self::Pipeline(_) | Self::Range(_) => String::new(),
        }
    }

    /// The size of a right answer: bytes, or elements. None for a number, which only must be one.
    pub(crate) fn expected(self) -> Option<usize> {
        match self {
            Self::Get(size) => Some(size),
            Self::Set(_) | Self::Incr => None,
            Self::Pipeline(count) | Self::Range(count) => Some(count),
        }
    }
}

impl Workload {
    /// One call of a single command after the other.
    pub(crate) fn is_lone(&self) -> bool {
        self.tasks == 1 && matches!(self.call, Call::Get(_) | Call::Set(_) | Call::Incr)
    }

    /// How long a run is measured if `usual` is enough for most: a call that takes half a second
    /// must be seen several times.
    pub(crate) fn seconds(&self, usual: f64) -> f64 {
        match self.call {
            Call::Range(1_000_000..) => usual.max(3.0),
            _ => usual,
        }
    }

    pub(crate) fn name(&self) -> String {
        let call = match self.call {
            Call::Get(size) => format!("GET{}", bytes(size)),
            Call::Set(size) => format!("SET{}", bytes(size)),
            Call::Incr => "INCR".to_owned(),
            Call::Pipeline(count) => format!("{count} GETs per pipeline"),
            Call::Range(count) => format!("LRANGE of {count}"),
        };
        let tasks = if self.tasks == 1 { "task" } else { "tasks" };
        let threads = match self.threads {
            Threads::One => "",
            Threads::Pool(_) => ", thread pool",
            Threads::Each(_) => ", arbiters",
        };
        let cluster = if self.cluster { ", cluster" } else { "" };
        format!("{call}, {} {tasks}{threads}{cluster}", self.tasks)
    }
}

/// What is added to a name; nothing for the usual 64 bytes.
fn bytes(size: usize) -> String {
    match size {
        1_048_576.. => format!(" of {} MiB", size / 1_048_576),
        1_024.. => format!(" of {} KiB", size / 1_024),
        _ => String::new(),
    }
}

/// All workloads that are wanted.
pub(crate) fn all(arguments: &Arguments) -> Vec<Workload> {
    let one = |call, tasks| Workload {
        call,
        tasks,
        threads: Threads::One,
        cluster: false,
    };
    let small = [Call::Get(64), Call::Set(64), Call::Incr];
    let mut workloads = Vec::new();
    if arguments.quick {
        workloads.extend(small.map(|call| one(call, 64)));
        workloads.extend([1, 256, 1_024].map(|tasks| one(Call::Get(64), tasks)));
        workloads.push(one(Call::Pipeline(100), 1));
        workloads.push(one(Call::Get(16_384), 64));
        workloads.push(one(Call::Range(10_000), 1));
    } else {
        for tasks in [1, 8, 64, 256, 1_024] {
            workloads.extend(small.map(|call| one(call, tasks)));
        }
        workloads.extend([1, 8].map(|tasks| one(Call::Pipeline(100), tasks)));
        workloads.extend([Call::Get(16_384), Call::Set(16_384)].map(|call| one(call, 64)));
        workloads.extend([Call::Get(1_048_576), Call::Set(1_048_576)].map(|call| one(call, 8)));
        workloads.extend([10_000, 1_000_000].map(|count| one(Call::Range(count), 1)));
    }
    for threads in [Threads::Pool(2), Threads::Each(2)] {
        let counts: &[usize] = if arguments.quick {
            &[64]
        } else {
            &[1, 64, 1_024]
        };
        // Every client has a caller.
        let least = threads.clients();
        workloads.extend(counts.iter().map(|&tasks| Workload {
            threads,
            ..one(Call::Get(64), tasks.max(least))
        }));
    }
    let counts: &[usize] = if arguments.quick {
        &[64]
    } else {
        &[1, 64, 1_024]
    };
    workloads.extend(counts.iter().map(|&tasks| Workload {
        cluster: true,
        ..one(Call::Get(64), tasks)
    }));
    if let Some(only) = &arguments.only {
        workloads.retain(|workload| workload.name().contains(only.as_str()));
    }
    workloads
}
