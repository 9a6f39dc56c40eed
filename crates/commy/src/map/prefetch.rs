//! Having memory fetched into the cache before it is needed: a hint to the processor, harmless whatever the address.

/// Has the line fetched that a byte is in.
#[inline(always)]
pub(crate) fn prefetch(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, whatever the address; each x86-64 has it.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// The same for who is about to write there: other processors give the line up, or nothing happens.
#[inline(always)]
pub(crate) fn prefetch_to_write(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, whatever the address; an x86-64 that does not have it does nothing instead. The intrinsic would be
    // the hint for reading unless the whole crate were compiled for processors that have this one.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) place, options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
