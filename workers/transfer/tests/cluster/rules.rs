//! The rules of the cluster, each of which can be taken out: some seed must fail then.
//!
//! They are taken out in the world, at the stores, streams and gateways; the machines always keep theirs.

/// What is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Without {
    /// R1: high-waters live in memory only.
    HighWaters,
    /// R2: a send is answered when it is handed to the producer.
    Durable,
    /// R3: the checkpoint is kept apart from its effects, as a log's own committed offset is.
    CheckpointWithEffects,
    /// R3: the window begins empty: no pages.
    Pages,
    /// R4: a user's document is raised from anywhere, and a checkpoint written over anything.
    DensityAndCompare,
    /// R4: nobody says how far a user is applied.
    Through,
    /// R4: nobody notices that the store is another one.
    Generation,
    /// Both.
    GenerationAndDensity,
    /// R5: reads do not wait for own sends.
    Settled,
    /// ADR 0004: a send to a group is on its way beside others of its link.
    Carried,
    /// R6: owners hear nothing of changes.
    GroupChanged,
    /// R6: a repeated change is told with the names, though versions may lie between.
    NamelessRepeat,
    /// R7: what was read of a user is kept.
    FreshPresence,
    /// R7: entries are believed though they may be gone.
    Marks,
    /// R7: the marks are read once, behind the entries.
    MarksTwice,
    /// R7: a pass sets its mark whatever happened meanwhile.
    PassInOneGo,
    /// R7: whatever is answered to a pass is taken for an answer to the last one.
    PassNumbers,
    /// R7: epochs are counted, and begin anew where presence is emptied.
    EpochsRise,
    /// R7: a link is admitted first and written down afterwards.
    WrittenFirst,
    /// R8: links take whatever comes.
    Guard,
    /// R10: an owner takes no record for one that it may have told before.
    Replayed,
}
