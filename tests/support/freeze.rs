//! One thread of another process, stopped while the others go on: ptrace(2). Debuggers do no more.

use std::sync::mpsc;
use std::thread::JoinHandle;

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// A thread that is stopped until this is dropped.
pub struct Frozen {
    release: Option<mpsc::Sender<()>>,
    // What traces a thread must be one and the same thread.
    tracer: Option<JoinHandle<()>>,
}

/// Stops the thread of this name of a child process.
///
/// # Panics
/// When there is none, or this system lets nobody trace his own children.
pub fn freeze(process: u32, thread: &str) -> Frozen {
    let tid = thread_id(process, thread);
    let ((release, released), (tell, stopped)) = (mpsc::channel::<()>(), mpsc::channel());
    let tracer = std::thread::spawn(move || {
        ptrace::seize(tid, ptrace::Options::empty()).unwrap();
        ptrace::interrupt(tid).unwrap();
        waitpid(tid, Some(WaitPidFlag::__WALL)).unwrap();
        tell.send(()).unwrap();
        // Ends when the other side is dropped.
        let _ = released.recv();
        // The process may have ended meanwhile.
        let _ = ptrace::detach(tid, None);
    });
    stopped.recv().unwrap();
    Frozen { release: Some(release), tracer: Some(tracer) }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        drop(self.release.take());
        if let Some(tracer) = self.tracer.take() {
            let _ = tracer.join();
        }
    }
}

fn thread_id(process: u32, name: &str) -> Pid {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap().map(Result::unwrap);
    let named = |task: &std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    let found = tasks.into_iter().find(named).unwrap_or_else(|| panic!("{process} has no thread {name}"));
    Pid::from_raw(found.file_name().to_str().unwrap().parse().unwrap())
}
