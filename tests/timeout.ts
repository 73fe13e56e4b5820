import { setDefaultTimeout } from "bun:test";

/** Tests wait for facts, and on a busy machine a database or an executable takes its time. */
setDefaultTimeout(30_000);
