//! Memory that is free and still resident.

/// So large that the allocator keeps a page for it alone, and gives that page up as soon as it is free.
const BLOCK: usize = 1 << 20;

/// Has the allocator give back what was freed a second ago and not used since; to be repeated. It looks for that only when
/// it gives up a page, and after a crowd has left nobody may do so for long: what the crowd took would stay. The block is
/// never touched, so this costs microseconds and no memory.
pub(super) fn give_back() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BLOCK)));
}
