import type { Database } from "../db/connect.ts";

export interface WorkerRecord {
  id: string;
  name: string;
  role: string;
  version: string;
  queues: string[];
  kinds: string[];
  slots: number;
  running: number;
  startedAt: Date;
  drainingAt: Date | null;
}

/** The workers that are alive. */
export async function readWorkers(db: Database): Promise<WorkerRecord[]> {
  return await db.run(
    (sql) => sql<WorkerRecord[]>`
    select id, name, role, version, to_json(queues) as queues, to_json(kinds) as kinds, slots,
      coalesce(held.jobs, 0)::int as running, started_at as "startedAt", draining_at as "drainingAt"
    from jobsvc.workers
    left join lateral (
      select count(*) as jobs from jobsvc.running_jobs where worker_id = workers.id
    ) held on true
    where expires_at > now()
    order by started_at, id`,
  );
}
