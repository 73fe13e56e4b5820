/** What one contender did with so many no-op jobs. */
export interface Measured {
  insertSeconds: number;
  drainSeconds: number;
}

export interface Contender {
  name: string;
  version: string;
  /** What it was measured through, and what it keeps. */
  through: string;
  /** On an empty database of its own: inserts `jobs` jobs in bulk, then drains them. */
  measure(database: BenchDatabase, jobs: number): Promise<Measured>;
}

export interface BenchDatabase {
  /** As libpq writes it: the server has only a socket. */
  url: string;
  host: string;
  database: string;
  username: string;
}
