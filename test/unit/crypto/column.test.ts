import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import * as fc from "fast-check";
import { Kysely, PostgresDialect, type Insertable, type Selectable, type Updateable } from "kysely";
import { afterAll, beforeAll, expect, expectTypeOf, test } from "vitest";
import {
  type NullableSealedColumn,
  type RecordColumn,
  type SealedColumn,
  sealedColumns,
  type SealedHandle,
} from "../../../src/crypto/column.ts";
import { EnvelopeError, seal, type Sealed } from "../../../src/crypto/envelope.ts";
import { generateDataKey } from "../../../src/crypto/keys.ts";
import type { PackedRecord } from "../../../src/crypto/packed-fields.ts";
import { Secret } from "../../../src/crypto/secret.ts";
import { createDatabase, type TestDatabase } from "../../../testkit/database.ts";
import { someContext, textOf } from "./samples.ts";

type Notes = { id: string; note: SealedColumn; old_note: NullableSealedColumn };

const key = generateDataKey();
const context = someContext({ field: "note" });
let database: TestDatabase;
let db: Kysely<{ notes: Notes }>;

beforeAll(async () => {
  database = await createDatabase({ empty: true });
  await database.ownerPool.query(
    "create table notes (id uuid primary key, note bytea not null, old_note bytea)",
  );
  const dialect = new PostgresDialect({ pool: database.ownerPool });
  db = new Kysely({ dialect, plugins: [sealedColumns(["note", "old_note"])] });
});

afterAll(async () => {
  await database.drop();
});

function sealText(text: string): Sealed {
  using plaintext = Secret.fromText(text);
  return seal(key, context, plaintext);
}

async function insert(note: Sealed, old_note: Sealed | null = null): Promise<string> {
  const id = randomUUID();
  await db.insertInto("notes").values({ id, note, old_note }).execute();
  return id;
}

function find(id: string): Promise<Selectable<Notes>> {
  return db.selectFrom("notes").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
}

test("any Unicode text, the empty one included, comes back from the database as it was", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary", maxLength: 200 }), async (text) => {
      const { note } = await find(await insert(sealText(text)));
      expect(await note.open(key, context, textOf)).toBe(text);
    }),
    { numRuns: 200, examples: [[""], ["\u0000"], ["🔑 ключ 鍵"], ["e\u0301"]] },
  );
});

test("null passes through, and a null can be replaced by a sealed value and the reverse", async () => {
  const id = await insert(sealText("x"));
  expect((await find(id)).old_note).toBeNull();
  await db
    .updateTable("notes")
    .set({ old_note: sealText("y") })
    .where("id", "=", id)
    .execute();
  expect(await (await find(id)).old_note?.open(key, context, textOf)).toBe("y");
  await db.updateTable("notes").set({ old_note: null }).where("id", "=", id).execute();
  expect((await find(id)).old_note).toBeNull();
});

test("what the database keeps is sealed: it holds no plaintext", async () => {
  const canary = `canary-${randomUUID()}`;
  const stored = await rawNote(await insert(sealText(canary)));
  expect(stored).toMatch(/^KHEV/);
  expect(stored).not.toContain(canary);

  // The control: the same look at a row that was written past the column type. A select refuses it.
  const planted = randomUUID();
  const statement = "insert into notes (id, note) values ($1, $2)";
  await database.ownerPool.query(statement, [planted, Buffer.from(canary)]);
  expect(await rawNote(planted)).toContain(canary);
  await expect(find(planted)).rejects.toThrow(EnvelopeError);
});

async function rawNote(id: string): Promise<string | undefined> {
  const query = "select encode(note, 'escape') as raw from notes where id = $1";
  const { rows } = await database.ownerPool.query<{ raw: string }>(query, [id]);
  return rows[0]?.raw;
}

test("a handle gives plaintext to its scope only, and zeroes it when the scope ends or fails", async () => {
  const { note } = await find(await insert(sealText("for the scope")));
  const lent: Secret[] = [];
  const text = await note.open(key, context, async (plaintext) => {
    lent.push(plaintext);
    await Promise.resolve();
    return textOf(plaintext);
  });
  expect(text).toBe("for the scope");
  const failing = note.open(key, context, (plaintext) => {
    lent.push(plaintext);
    throw new Error("the work failed");
  });
  await expect(failing).rejects.toThrow("the work failed");
  expect(lent.map((plaintext) => plaintext.disposed)).toEqual([true, true]);
});

test("a handle from another row does not open", async () => {
  const { note } = await find(await insert(sealText("x")));
  await expect(note.open(key, someContext({ field: "note" }), textOf)).rejects.toThrow(EnvelopeError);
});

test("a handle can be written to another row as it is, and prints as [sealed]", async () => {
  const { note } = await find(await insert(sealText("copied")));
  const copy = await find(await insert(note.sealed));
  expect(await copy.note.open(key, context, textOf)).toBe("copied");
  expect([String(note), JSON.stringify({ note }), inspect(note)]).toEqual([
    "[sealed]",
    '{"note":"[sealed]"}',
    "[sealed]",
  ]);
});

test("plaintext in any shape does not compile as a value to write", () => {
  type Written = Insertable<Notes>["note"] | Updateable<Notes>["note"];
  expectTypeOf<string>().not.toExtend<Written>();
  expectTypeOf<Buffer>().not.toExtend<Written>();
  expectTypeOf<Uint8Array>().not.toExtend<Written>();
  expectTypeOf<Secret>().not.toExtend<Written>();
  expectTypeOf<Insertable<Notes>["note"]>().toEqualTypeOf<Sealed>();
  expectTypeOf<Updateable<Notes>["note"]>().toEqualTypeOf<Sealed | undefined>();
  expectTypeOf<Exclude<Insertable<Notes>["old_note"], undefined>>().toEqualTypeOf<Sealed | null>();
  expectTypeOf<Selectable<Notes>["note"]>().toEqualTypeOf<SealedHandle>();
  expectTypeOf<Selectable<Notes>["old_note"]>().toEqualTypeOf<SealedHandle | null>();
});

test("a column of packed records takes what packing made, and no other bytes", () => {
  type Rows = { sealed: RecordColumn };
  expectTypeOf<Insertable<Rows>["sealed"]>().toEqualTypeOf<PackedRecord>();
  expectTypeOf<Uint8Array>().not.toExtend<Insertable<Rows>["sealed"]>();
  expectTypeOf<Selectable<Rows>["sealed"]>().toEqualTypeOf<Uint8Array>();
});
