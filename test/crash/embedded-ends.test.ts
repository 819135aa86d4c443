import { rename } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClientConfig } from "pg";
import { expect, test } from "vitest";
import { type EmbeddedPostgres, startEmbedded } from "../../src/db/embedded.ts";
import { readLock } from "../../src/db/embedded/recover.ts";
import { query } from "../../testkit/query.ts";
import { makeState } from "../../testkit/state.ts";

const pidOf = async (server: EmbeddedPostgres): Promise<number> => (await readLock(server.data))?.pid ?? 0;

test.each([
  ["is killed", "SIGKILL"],
  ["is told by somebody else to stop", "SIGTERM"],
  ["is told by somebody else to stop at once", "SIGQUIT"],
] as const)("A server that %s is started again and has everything committed", async (_, signal) => {
  await using state = await makeState();
  const told: string[] = [];
  const server = await startEmbedded({ folder: state.folder, onEvent: (event) => told.push(event) });
  const owner = server.connection("keyhold_owner", "keyhold");
  await query(owner, "create table kept (word text)");
  await query(owner, "insert into kept values ('committed')");
  const first = await pidOf(server);
  // A backend that is busy does not notice the death of its server before its statement ends.
  const busy = query(owner, "select sum(i) from generate_series(1, 20_000_000) i").catch(() => "failed");
  await sleep(100);
  process.kill(first, signal);
  expect(await whenItAnswers(owner, "select word from kept")).toEqual([{ word: "committed" }]);
  expect(await pidOf(server)).not.toBe(first);
  expect(told).toEqual(["ended", "restarted"]);
  await busy;
  await server.stop();
  expect(await readLock(server.data)).toBeNull();
});

test("A server that ends for the fourth time within ten minutes is lost, which a sentence says", async () => {
  await using state = await makeState();
  const server = await startEmbedded({ folder: state.folder });
  const owner = server.connection("keyhold_owner", "keyhold");
  for (let ends = 0; ends < 3; ends += 1) {
    const pid = await pidOf(server);
    process.kill(pid, "SIGKILL");
    while ((await pidOf(server)) === pid) await sleep(5);
    await whenItAnswers(owner, "select 1");
  }
  process.kill(await pidOf(server), "SIGKILL");
  expect((await server.lost).message).toMatch(
    /^The embedded PostgreSQL ended, and was started again 3 times/,
  );
  await server.stop();
});

test("A server whose data is gone is lost with PostgreSQL's own reason, and one that is stopped is not lost", async () => {
  await using state = await makeState();
  const server = await startEmbedded({ folder: state.folder });
  await rename(server.data, `${server.data}-elsewhere`);
  process.kill((await readLock(`${server.data}-elsewhere`))?.pid ?? 0, "SIGKILL");
  expect((await server.lost).message).toMatch(
    /started again 3 times.*cannot be run on .*postgres \(ENOENT\)/,
  );
  await server.stop();
  await rename(`${server.data}-elsewhere`, server.data);

  const stopped = await startEmbedded({ folder: state.folder });
  await stopped.stop();
  expect(await Promise.race([stopped.lost, sleep(100, "not lost")])).toBe("not lost");
});

/** The answer of the first attempt that the server does not refuse. */
async function whenItAnswers(config: ClientConfig, text: string): Promise<unknown[]> {
  for (;;) {
    const rows = await query(config, text).catch(() => null);
    if (rows !== null) return rows;
    await sleep(10);
  }
}
