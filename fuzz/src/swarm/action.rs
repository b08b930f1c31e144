//! What somebody can do next, and how likely it is.

use super::{Choices, Swarm};
use crate::{
    memvfs::{Content, Node},
    world::ROOT,
};
use ksmbd_core::vfs::VfsError;

/// One kind of action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Join,
    Request,
    Chain,
    Acknowledge,
    Mutate,
    Cancel,
    SetUp,
    HangUp,
    Hold,
    Complete,
    Wait,
    Fault,
    Outside,
    Slow,
    LetThrough,
    Careful,
    Restart,
}

impl Action {
    pub(super) const COUNT: usize = 17;

    const ALL: [(Self, u32); Self::COUNT] = [
        (Self::Join, 4),
        (Self::Request, 60),
        (Self::Chain, 12),
        (Self::Acknowledge, 12),
        (Self::Mutate, 6),
        (Self::Cancel, 4),
        (Self::SetUp, 3),
        (Self::HangUp, 1),
        (Self::Hold, 3),
        (Self::Complete, 12),
        (Self::Wait, 1),
        (Self::Fault, 2),
        (Self::Outside, 4),
        (Self::Slow, 2),
        (Self::LetThrough, 8),
        (Self::Careful, 40),
        (Self::Restart, 3),
    ];

    /// Some kinds never happen in a run, which reaches corners that an even mixture does not.
    pub(super) fn weights(choices: &mut dyn Choices) -> [u32; Self::COUNT] {
        Self::ALL.map(|(action, weight)| match action {
            Self::Join | Self::Request => weight,
            _ if choices.chance(4) => 0,
            _ => weight,
        })
    }

    pub(super) fn draw(weights: &[u32; Self::COUNT], choices: &mut dyn Choices) -> Self {
        let total: u32 = weights.iter().sum();
        let mut at = choices.below(total as usize) as u32;
        for ((action, _), weight) in Self::ALL.iter().zip(weights) {
            if at < *weight {
                return *action;
            }
            at -= weight;
        }
        Self::Request
    }
}

/// What the world does.
impl Swarm {
    pub(super) fn hold(&self, choices: &mut dyn Choices) {
        match choices.below(4) {
            0 => self.world.hold_calls(),
            1 => {
                let ops = ["read", "write", "open", "delete", "list", "remember"];
                self.world.hold(ops[choices.below(ops.len())]);
            }
            _ => self.world.release_calls(),
        }
    }

    /// A call that waits comes to something; or that is told of calls that have.
    pub(super) fn complete(&self, choices: &mut dyn Choices) {
        if self.world.has_carried() && choices.chance(2) {
            return self.world.complete_carried();
        }
        let held = self.world.held();
        let index = choices.below(held.len());
        let Some(op) = held.get(index) else {
            return;
        };
        match choices.below(6) {
            // The daemon must hear that a tree is gone, whatever happens.
            _ if *op == "leave" => self.world.complete(index),
            0 => self.world.fail(index, VfsError::Io),
            1 => self.world.fail(index, VfsError::HungUp),
            2 => self.world.carry_out(index),
            _ => self.world.complete(index),
        }
    }

    /// Somebody else changes files of the share.
    pub(super) fn outside(&self, choices: &mut dyn Choices) {
        let file = ["o1", "o2", "d/o1", "d/o2"][choices.below(4)];
        let parent = file.rsplit_once('/').map_or("", |(parent, _)| parent);
        let is_directory = |node: &mut Node| matches!(node.content, Content::Directory(_));
        let there = self.world.vfs(|vfs| vfs.node_at(ROOT, parent).is_some_and(is_directory));
        match choices.below(8) {
            0 => self.world.lose_outside(),
            1..4 => self.world.remove_outside(file),
            _ if there && !self.world.exists(file) => self.world.put_outside(file, b"outside"),
            _ => {}
        }
    }

    pub(super) fn fault(&self, choices: &mut dyn Choices) {
        let ops = [
            "open",
            "read",
            "write",
            "query",
            "list",
            "rename",
            "link",
            "delete",
            "overwrite",
            "remember",
        ];
        let op = ops[choices.below(ops.len())];
        let errors = [
            VfsError::Io,
            VfsError::NoSpace,
            VfsError::Gone,
            VfsError::TooManyFiles,
            VfsError::AccessDenied,
        ];
        let error = errors[choices.below(errors.len())];
        let after = choices.below(40);
        let torn = [None, Some(VfsError::NoSpace), Some(VfsError::Io)][choices.below(3)];
        self.world.vfs(|vfs| match choices.below(4) {
            0 => vfs.tear_next(after, torn),
            _ => vfs.fail_next(op, error),
        });
    }
}
