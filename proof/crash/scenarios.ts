import { z } from "zod";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { reconcile } from "../../src/credentials/destroy.ts";
import { register } from "../../src/credentials/register.ts";
import { rotate } from "../../src/credentials/rotate.ts";
import { finishDueRotations } from "../../src/credentials/rotation.ts";
import { plainShape } from "../../testkit/connection.ts";
import { secretFields } from "../../testkit/tenants.ts";
import { storeChoices } from "../ground.ts";
import { moments } from "./effects.ts";
import { flawNames } from "./flaws.ts";

export const scenarioNames = ["register", "rotate", "rotate-at-once", "finish", "reconcile"] as const;
export type Scenario = (typeof scenarioNames)[number];

const writerShape = z.object({
  tenantId: z.string(),
  memberId: z.string(),
  accountId: z.string(),
  /** Empty where it is to be registered. */
  credentialId: z.string(),
  revision: z.number(),
  /** Where the writer stands when the process is killed; `null` for one who lives and tells what it did. */
  point: z.object({ at: z.number(), moment: z.enum(moments) }).nullable(),
});
/** Somebody for whom a process works, with a tenant of his own. */
export type Writer = z.output<typeof writerShape>;

/** What a process is told. */
export const taskShape = z.object({
  scenario: z.enum(scenarioNames),
  store: z.enum(storeChoices),
  flaw: z.enum(flawNames).nullable(),
  connection: plainShape,
  keyFile: z.string(),
  /** Of the store of files. */
  folder: z.string(),
  writers: z.array(writerShape),
});

/** What is asked of Keyhold on behalf of a writer. */
type Asked = Readonly<{ custody: Custody; member: Member; writer: Omit<Writer, "point"> }>;

const pairOf = (age: "old" | "new") => secretFields({ api_key: `${age} key`, api_secret: `${age} secret` });

/** Registers a credential with the old secret, or the new one. */
export async function registerOne(
  { custody, member, writer }: Asked,
  age: "old" | "new",
): Promise<Readonly<{ credentialId: string; revision: number }>> {
  const { accountId } = writer;
  const of = { accountId, venue: "scripted", environment: "live" } as const;
  const { id, revision } = await register(custody, member, { ...of, fields: pairOf(age) });
  return { credentialId: id, revision };
}

export async function rotateOne(
  { custody, member, writer }: Asked,
  overlap: Readonly<{ overlapSeconds?: number }> = {},
): Promise<void> {
  const { credentialId, revision } = writer;
  await rotate(custody, member, credentialId, revision, { fields: pairOf("new"), ...overlap });
}

/** What each process was doing when it was killed. */
export const works: Readonly<Record<Scenario, (asked: Asked) => Promise<void>>> = {
  register: async (asked) => void (await registerOne(asked, "new")),
  rotate: (asked) => rotateOne(asked),
  "rotate-at-once": (asked) => rotateOne(asked, { overlapSeconds: 0 }),
  finish: async ({ custody }) => assertDone(await finishDueRotations(custody)),
  reconcile: async ({ custody }) => assertDone(await reconcile(custody)),
};

export function assertDone({ failed }: Readonly<{ failed: number }>): void {
  if (failed > 0) throw new Error(`${failed} could not be finished`);
}
