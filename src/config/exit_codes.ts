/** The codes of sysexits.h, so that a supervisor can tell a mistake, which a restart never cures, from bad luck. */
export const EXIT_OK = 0;
/** The command line was not understood. */
export const EXIT_USAGE = 2;
/** The database cannot be reached, or is not in the state that this version needs. */
export const EXIT_UNAVAILABLE = 69;
/** Something that we did not foresee. */
export const EXIT_INTERNAL = 70;
/** A setting is missing or has a value that cannot be. */
export const EXIT_CONFIGURATION = 78;
