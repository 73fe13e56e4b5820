/**
 * A block is locked, taken and cut as one row. So many ids still fit into the row itself: of a larger block the rest would
 * be moved out and back (TOAST) at each take that leaves something of it.
 */
export const MAX_BLOCK_SIZE = 100;
