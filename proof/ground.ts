import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { nowhere, type Operator } from "../src/access/principal.ts";
import type { Custody } from "../src/credentials/custody.ts";
import { openPool } from "../src/db/connect.ts";
import { openFileStore } from "../src/stores/file.ts";
import { createStores } from "../src/stores/open.ts";
import { createPostgresStore } from "../src/stores/postgres.ts";
import { bareCustody } from "../testkit/bare-custody.ts";
import { type Installation, install } from "../testkit/embedded-installation.ts";
import { ScriptedVenue } from "../testkit/scripted-venue.ts";
import type { Stage } from "./proof.ts";

export const storeChoices = ["postgres", "file"] as const;
export type StoreChoice = (typeof storeChoices)[number];

/** What all processes share: a database, a folder of files, and a custody that nobody kills. */
export type Ground = Readonly<{
  installation: Installation;
  /** Of the store of files. */
  folder: string;
  operator: Operator;
  /** By the store to which new secrets go. */
  custody: Readonly<Record<StoreChoice, Custody>>;
}>;

export async function openGround(undo: Stage["undo"]): Promise<Ground> {
  const installation = undo.use(await install());
  const { db, dataKeys, app } = installation;
  const recordPool = openPool(app, { applicationName: "proof record", max: 4 });
  undo.defer(() => recordPool.end());
  const folder = join(installation.folder, "secrets");
  await mkdir(folder, { mode: 0o700 });
  const [postgres, files] = [createPostgresStore(db), await openFileStore(folder)];
  const venue = new ScriptedVenue();
  const custodyOf = (...[first, second]: readonly [typeof files, typeof files]): Custody =>
    venue.in(bareCustody({ db, recordPool, dataKeys, stores: createStores(first, second) }));
  return {
    installation,
    folder,
    operator: { kind: "operator", issuer: "proof", subject: "operator", origin: nowhere },
    custody: { postgres: custodyOf(postgres, files), file: custodyOf(files, postgres) },
  };
}
