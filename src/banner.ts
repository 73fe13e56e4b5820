export interface Running {
  /** Where the API answers, or null for a process without one. */
  apiUrl: string | null;
  /** Where the embedded PostgreSQL keeps its data, or null with a database of the user's. */
  dataDir: string | null;
  /** True when calls need a key. */
  keyed: boolean;
}

const EXAMPLE = `{
    "user_id": "123e4567-e89b-12d3-a456-426614174000",
    "resource_type": "ai_agent",
    "resource_id": "456e7890-e89b-12d3-a456-426614174001",
    "payload": "{\\"task\\": \\"process_data\\", \\"data\\": \\"example\\"}",
    "priority": 1,
    "scheduled_at": "2024-01-01T12:00:00Z",
    "max_retries": 3
  }`;

/** What somebody who has just started the service wants to know: where things are, and what to try first. */
export function banner({ apiUrl, dataDir, keyed }: Running): string {
  const where = [
    ...(apiUrl
      ? [`  API      ${apiUrl}/api/jobs`, `  Swagger  ${apiUrl}/swagger`]
      : ["  Worker   running; no API in this process"]),
    ...(dataDir ? [`  Data     ${dataDir} (embedded PostgreSQL; set DATABASE_URL for production)`] : []),
    ...(apiUrl && !keyed
      ? ["  Access   this machine only, without a key; set JOBSVC_API_KEYS to open it to others"]
      : []),
  ];
  const key = keyed ? '\n  -H "Authorization: Bearer $JOBSVC_API_KEY" \\' : "";
  const curl = `curl -X POST ${apiUrl}/api/jobs/create \\${key}\n  -H "Content-Type: application/json" \\\n  -d '${EXAMPLE}'`;
  return ["", "jobsvc is running.", "", ...where, ...(apiUrl ? ["", "Try it:", "", curl] : []), ""].join(
    "\n",
  );
}
