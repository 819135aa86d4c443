import { describe, expect, test } from "vitest";
import { held } from "../../../../proof/proof.ts";
import { type Arrival, type Findings, keyOf } from "../../../../proof/webhooks/book.ts";
import { judge, rowsOf, type WebhookPromises } from "../../../../proof/webhooks/judge.ts";

const subject = { path: "/hook/1", type: "credential.updated", id: "c" };

const arrival = (changes: Partial<Arrival> = {}): Arrival => ({
  ...subject,
  messageId: "msg_1",
  digest: "body of msg_1",
  verifies: true,
  isOwn: true,
  ...changes,
});

type Judged = Pick<Findings, "happened" | "arrivals" | "outbox">;

/** Two updates of one credential, of which the second was told twice. */
const second = arrival({ messageId: "msg_2", digest: "body of msg_2" });
const good: Judged = {
  happened: new Map([[keyOf(subject), 2]]),
  arrivals: [arrival(), second, second],
  outbox: { queued: 2, delivered: 2 },
};

const broken = (findings: Judged): readonly string[] =>
  Object.entries(judge(findings)).flatMap(([name, promise]) => (held(promise) ? [] : [name]));

const withArrival = (changes: Partial<Arrival>): Judged => ({
  ...good,
  arrivals: [...good.arrivals, arrival(changes)],
});

describe("what is promised of webhooks", () => {
  test("holds where everything is as it must be", () => {
    expect(broken(good)).toEqual([]);
  });

  const breaches: readonly (readonly [keyof WebhookPromises, string, Judged])[] = [
    [
      "lost",
      "an event is never told, however often another one is",
      { ...good, happened: new Map([[keyOf(subject), 3]]) },
    ],
    [
      "lost",
      "an event of another credential is never told",
      { ...good, happened: new Map([...good.happened, [keyOf({ ...subject, id: "d" }), 1]]) },
    ],
    ["ids", "an event is told again under another id", withArrival({ messageId: "msg_3" })],
    ["ids", "something is told that never happened", withArrival({ messageId: "msg_3", id: "d" })],
    ["altered", "a message comes again with another body", withArrival({ digest: "another body" })],
    ["signatures", "a signature is not the endpoint's", withArrival({ verifies: false })],
    ["strangers", "a message is about another tenant", withArrival({ isOwn: false })],
    ["noted", "a message was given up", { ...good, outbox: { queued: 2, delivered: 1 } }],
  ];
  test.for(breaches)("%s: it is broken when %s", ([name, , findings]) => {
    expect(broken(findings)).toEqual([name]);
  });

  test("does not hold where it was never put to the test", () => {
    const nothing = {
      happened: new Map<string, number>(),
      arrivals: [],
      outbox: { queued: 0, delivered: 0 },
    };
    expect(broken(nothing)).toEqual(Object.keys(judge(good)));
  });
});

describe("the table", () => {
  test("has a row for each kind of event, and one for all", () => {
    const frozen = { ...subject, type: "account.frozen", id: "a" };
    const happened = new Map([...good.happened, [keyOf(frozen), 1]]);
    expect(rowsOf({ ...good, happened })).toEqual([
      { type: "account.frozen", events: 1, messages: 0, again: 0, lost: 1 },
      { type: "credential.updated", events: 2, messages: 3, again: 1, lost: 0 },
      { type: "all", events: 3, messages: 3, again: 1, lost: 1 },
    ]);
  });
});
