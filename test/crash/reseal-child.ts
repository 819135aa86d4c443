import { setImmediate as nextTurn } from "node:timers/promises";
import { Client } from "pg";
import { z } from "zod";
import { withCustody } from "../../src/cli/operate.ts";
import { run } from "../../src/cli/program.ts";
import { inStore, reseal } from "../../src/credentials/reseal.ts";
import type { Store } from "../../src/stores/store.ts";

const taskShape = z.object({
  /**
   * Command lines of `keyhold`, one after the other. Without any: a migration as it must not be, which destroys the old version
   * before the new one is in force.
   */
  commands: z.array(z.array(z.string())),
  /** The statement to die at; 0 for none. */
  at: z.number(),
  /** `after`: the statement leaves first, so that the server carries it out, and the answer is not waited for. */
  die: z.enum(["before", "after"]),
});
export type Task = z.infer<typeof taskShape>;

/** An operator whose commands die at one of their statements. When they did not, their exit codes are told. */
const task = taskShape.parse(JSON.parse(process.argv[2] ?? ""));
let sent = 0;

const query: unknown = Reflect.get(Client.prototype, "query");
if (typeof query !== "function") throw new Error("clients have no queries any more");
Object.defineProperty(Client.prototype, "query", {
  value(this: Client, ...given: unknown[]): unknown {
    sent += 1;
    if (sent === task.at && task.die === "before") process.kill(process.pid, "SIGKILL");
    if (sent === task.at) setImmediate(() => process.kill(process.pid, "SIGKILL"));
    return Reflect.apply(query, this, given);
  },
});

/** The same store, where writing the next version destroys the one before it in the store it comes from. */
function careless(source: Store, target: Store, version: number): Store {
  return {
    ...target,
    async put(ref, fields) {
      await source.destroy({ ...ref, version });
      await nextTurn();
      return target.put(ref, fields);
    },
  };
}

async function migrateCarelessly(): Promise<void> {
  await withCustody({ environment: process.env }, async ({ custody }) => {
    const [source, target] = [custody.stores.get("postgres"), custody.stores.get("file")];
    if (source === undefined || target === undefined) throw new Error("there are two stores");
    for (const { tenant_id, id, version } of await inStore(custody.db, "postgres", 1000))
      await reseal(custody, tenant_id, id, careless(source, target, version));
  });
}

const { stdin: input, stderr: notes } = process;
const codes: number[] = [];
for (const argv of task.commands) codes.push(await run(argv, { input, output: notes, notes }));
if (task.commands.length === 0) await migrateCarelessly();
process.stdout.write(JSON.stringify(codes));
