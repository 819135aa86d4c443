import type { Pool } from "pg";

/** Runs `work` while no other process runs work under the same key. */
export type Turns = <T>(key: Uint8Array, work: () => Promise<T>) => Promise<T>;

/**
 * One at a time across all processes, by an advisory lock of a session and not of a transaction, because `work` is slow: it calls
 * a venue. `pool` needs connections of its own, which must not pass through a pooler that shares sessions. The lock ends with
 * the connection if the process dies.
 */
export function createTurns(pool: Pool): Turns {
  return async (key, work) => {
    const lock = new DataView(key.buffer, key.byteOffset).getBigInt64(0).toString();
    const client = await pool.connect();
    try {
      await client.query("select pg_advisory_lock($1::bigint)", [lock]);
    } catch (error) {
      client.release(true);
      throw error;
    }
    try {
      return await work();
    } finally {
      // A connection that cannot let go ends, and its lock with it; what the work gave is not lost.
      await client.query("select pg_advisory_unlock($1::bigint)", [lock]).then(
        () => client.release(),
        () => client.release(true),
      );
    }
  };
}
