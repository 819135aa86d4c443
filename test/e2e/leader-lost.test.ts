import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Book, openBook, type Origins } from "../../proof/ha/book.ts";
import { type Desk, freeze, openDesk, reveal } from "../../proof/ha/desk.ts";
import { judge } from "../../proof/ha/judge.ts";
import type { Kept } from "../../proof/ha/kept.ts";
import { Load } from "../../proof/ha/load.ts";
import { createSite, type Site } from "../../proof/ha/site.ts";
import { conclude } from "../../proof/ha/trial.ts";
import { held } from "../../proof/proof.ts";
import { startSimulator } from "../../simulator/simulator.ts";
import { findProgram } from "../../testkit/cluster/program.ts";
import { startCluster } from "../../testkit/cluster/start.ts";
import { urlOf } from "../../testkit/connection.ts";
import { createDatabase } from "../../testkit/database.ts";
import { makeState } from "../../testkit/state.ts";
import { findVault } from "../../testkit/vault.ts";

const program = findVault();
/** Elections take seconds, new members ten of them, and the machine may be busy. */
const minutes = 300_000;

describe.skipIf(program === null)(
  "the store's leader is lost while orders flow",
  { timeout: minutes },
  () => {
    const undo = new AsyncDisposableStack();
    let site: Site;
    let desk: Desk;
    let origins: Origins;
    let book: Book;

    beforeAll(async () => {
      const { folder } = undo.use(await makeState());
      const database = await createDatabase();
      undo.defer(() => database.drop());
      const simulator = await startSimulator();
      undo.defer(() => simulator.close());
      const cluster = undo.use(await startCluster({ program: findProgram(program ?? "") }));
      const settings = {
        DATABASE_URL: urlOf(database.connection("keyhold_app")),
        KEYHOLD_FOLDER: folder,
        KEYHOLD_LOCAL_ISSUER: "on",
      };
      site = await createSite({ cluster, simulator, folder, settings }, undo);
      const [writing, reading] = [await site.serve(), await site.serve()];
      origins = { writes: writing.url, reads: reading.url, cached: reading.url };
      desk = await openDesk(site, writing.url);
      book = await openBook(desk, origins);
    }, minutes);
    afterAll(() => undo.disposeAsync(), minutes);

    /** One that the load does not touch. */
    function another(): Kept {
      const kept = book.resting.shift();
      if (kept === undefined) throw new Error("there are credentials that rest");
      return kept;
    }

    test("no order is placed twice or lost, no write is lost, no old secret is read, and what has a copy stays readable", async () => {
      const load = new Load({ desk, origins, book });
      await load.recovered(0);
      const leader = await site.cluster.leader();
      const [at, ordersBefore] = [performance.now(), load.orders.length];
      load.release();
      leader.signal("SIGKILL");
      await load.recovered(at);
      expect(await site.cluster.leader()).not.toBe(leader);
      await load.stop();
      const promises = judge(await conclude(site, { desk, book, load }));
      expect(Object.values(promises).filter((promise) => !held(promise))).toEqual([]);
      expect(load.orders.length).toBeGreaterThan(ordersBefore);
    });

    test("the venue would show an order that is placed twice", async () => {
      const order = desk.newOrder(another());
      expect((await desk.order(origins.writes, order)).outcome).toBe("ok");
      expect(desk.timesAtVenue(order)).toBe(1);
      expect((await desk.order(origins.writes, { ...order, key: randomUUID() })).outcome).toBe("ok");
      expect(desk.timesAtVenue(order)).toBe(2);
    });

    test("a freeze holds at once while no node of the store answers, and beside it what has a copy is read", async () => {
      const [frozen, other] = [another(), another()];
      expect((await desk.read(origins.cached, "cached", frozen)).outcome).toBe("ok");
      for (const node of site.cluster.nodes) node.signal("SIGKILL");
      await freeze(origins.writes, frozen);
      expect(await reveal(origins.cached, frozen)).toMatchObject({
        status: 403,
        problem: { code: "frozen" },
      });
      expect((await desk.read(origins.cached, "cached", other)).outcome).toBe("ok");
      await freeze(origins.writes, frozen, "unfreeze");
      expect((await desk.read(origins.cached, "cached", frozen)).outcome).toBe("ok");
    });
  },
);
