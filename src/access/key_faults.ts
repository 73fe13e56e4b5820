import type { NewKey } from "./keys.ts";

export interface KeyFault {
  member: "userId" | "queues" | "kinds";
  /** What is wrong with it, to stand behind its name. */
  detail: string;
}

/** What does not go together in a key, however it is asked for. */
export function keyFaults({ scopes, userId, takes }: NewKey): KeyFault[] {
  const faults: KeyFault[] = [];
  const limitable = scopes.includes("jobs:work") && !scopes.includes("admin");
  for (const member of ["queues", "kinds"] as const)
    if (takes?.[member] && !limitable)
      faults.push({ member, detail: "is for a key with the scope jobs:work, and without admin" });
  // An admin could make itself another key, without the bond. And whoever takes jobs takes them whosever they are.
  for (const scope of ["admin", "jobs:work"] as const)
    if (userId !== null && scopes.includes(scope))
      faults.push({ member: "userId", detail: `cannot bind a key with the scope ${scope}` });
  return faults;
}
