/** What a key may do, from the least to the most. `admin` includes all the others. */
export const SCOPES = [
  "jobs:write",
  "jobs:read",
  "jobs:work",
  "jobs:manage",
  "agents:manage",
  "admin",
] as const;

export type Scope = (typeof SCOPES)[number];

export const ALL_SCOPES: ReadonlySet<Scope> = new Set(SCOPES);

export function allows(scopes: ReadonlySet<Scope>, needed: Scope): boolean {
  return scopes.has(needed) || scopes.has("admin");
}

export function isScope(text: string): text is Scope {
  return (SCOPES as readonly string[]).includes(text);
}
