//! Each user and each group is at home on a shard of this process, which is asked over the mesh.

use std::rc::Rc;

use crate::bus::{Answer, Call, Refused};
use crate::driver::{Core, Homes, Local};

/// See the module.
pub(crate) struct OverMesh;

impl Homes for OverMesh {
    fn part(&self, core: &Core, whose: &str) -> u16 {
        core.here.home(whose)
    }

    fn ask(&self, core: &Rc<Core>, part: u16, call: Call) -> Local<Result<Answer, Refused>> {
        let core = Rc::clone(core);
        Box::pin(async move { core.call(part, call).await })
    }

    fn run(&self, core: Rc<Core>, call: Call) -> Local<Answer> {
        Box::pin(async move { super::run(&core, call).await })
    }
}
