import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { IssuedKey, KeyOptions } from "../../simulator/control.ts";
import { asJson, asLines, type CliWorld, createCliWorld, secretsTyped } from "../../testkit/cli-world.ts";

let world: CliWorld;
let shell: CliWorld["shell"];
let bob: string;
let carol: string;
/** A credential of bob's, and the key that it holds. */
let id: string;
let first: IssuedKey;

beforeAll(async () => {
  world = await createCliWorld();
  ({ shell } = world);
});
afterAll(() => world.close());
beforeEach(async () => {
  const opened = await world.openTenant();
  ({ bob, carol } = opened);
  first = world.simulator.control.addKey("bybit");
  const register = `credential register bybit --account ${opened.account} --allow read,trade --secret-stdin`;
  id = shell.name(await shell.field(bob, register, "id", asJson(first)), "C");
});

const text = (...lines: readonly string[]): string => lines.join("\n");

/** Another key of the same account at the venue. */
const another = (options: KeyOptions = {}): IssuedKey =>
  world.simulator.control.addKey("bybit", { account: first.account, ...options });
const rotate = (input: string, options = "", who = bob): Promise<string> =>
  shell.transcript(who, `credential rotate ${id} ${options} --secret-stdin`, input);
const versions = (): Promise<string> => shell.transcript(bob, `credential versions ${id}`);

const heading = "VERSION  STATE  USES  STORE  CREATED  DESTROYED";
const untouched = text(heading, "1  current  –  postgres  TIME  –");
const noneUnderWay = text(
  "keyhold: not possible in the current state (illegal_state)",
  "  No rotation of this credential is under way. Once one has ended, only one of its two secrets is left.",
  "hint: `show` shows the present state",
  "[exit 1]",
);

describe("a rotation at the shell", () => {
  test("keeps both secrets for an overlap, shows them, and is rolled back", async () => {
    expect(await versions()).toBe(untouched);
    expect(await rotate(asJson(another()))).toBe(
      text("rotation  ID", "state  overlap", "versions  1 to 2", "overlap until  TIME", "fallbacks  0"),
    );
    expect(await shell.transcript(bob, `invoke ${id} fetchBalance`)).toContain("USDT");
    expect(await versions()).toBe(
      text(
        heading,
        "2  current  1  postgres  TIME  –",
        "1  retired  0  postgres  TIME  –",
        "both versions are kept until TIME; fallbacks so far: 0",
      ),
    );
    expect(await shell.transcript(bob, `credential roll-back ${id} --yes`)).toContain("state  rolled_back");
    expect(await versions()).toBe(
      text(heading, "2  destroyed  –  postgres  TIME  TIME", "1  current  0  postgres  TIME  –"),
    );
    expect(await shell.transcript(bob, `credential roll-back ${id} --yes`)).toBe(noneUnderWay);
  });

  test("is finished early, once, and then the old secret is gone", async () => {
    expect(await shell.transcript(bob, `credential finish-rotation ${id} --yes`)).toBe(noneUnderWay);
    await rotate(asLines(another()));
    expect(await shell.transcript(bob, `credential finish-rotation ${id} --yes`)).toContain(
      "state  finished",
    );
    expect(await versions()).toBe(
      text(heading, "2  current  0  postgres  TIME  –", "1  destroyed  –  postgres  TIME  TIME"),
    );
    expect(await shell.transcript(bob, `credential finish-rotation ${id} --yes`)).toBe(noneUnderWay);
  });

  test("without an overlap is over at once", async () => {
    expect(await rotate(asJson(another()), "--overlap 0")).toContain(
      text("state  finished", "versions  1 to 2"),
    );
    expect(await versions()).toContain("1  destroyed");
  });

  test("is told to a script whole", async () => {
    await rotate(asJson(another()));
    const { output } = await shell.run(bob, ["credential", "versions", id, "--json"]);
    expect(JSON.parse(output)).toMatchObject({
      items: [
        { version: 2, state: "current", uses: 0 },
        { version: 1, state: "retired", uses: 0 },
      ],
      rotation: { state: "overlap", from_version: 1, to_version: 2 },
      old_version_uses: [],
    });
  });
});

describe("a person who rotates is told", () => {
  test("that the new key is the old one", async () => {
    expect(await rotate(asJson(first))).toBe(
      text(
        "keyhold: the new secret is already in use (same_secret)",
        "  Make a new key at the venue, and send that one.",
        "hint: make a new key at the venue first",
        "[exit 1]",
      ),
    );
  });

  test("that the new key belongs to another account", async () => {
    expect(await rotate(asJson(world.simulator.control.addKey("bybit")))).toBe(
      text(
        "keyhold: the new secret belongs to another account at the venue (venue_account)",
        "  The new key belongs to another account at the venue. Register it as a credential of its own.",
        "hint: make the new key for the same account at the venue",
        "[exit 1]",
      ),
    );
  });

  test("that the new key may do more, what, and how to allow it; what the tenant refuses stays refused", async () => {
    const wider = asJson(another({ permissions: { transfer: true } }));
    expect(await rotate(wider)).toBe(
      text(
        "keyhold: the new secret has more permissions than the old one (wider_permissions)",
        "  The new key may do more than the old one (transfer). Make one that may not, or allow it for this rotation.",
        "hint: make a key that may do what the old one may, or add --allow-wider",
        "[exit 1]",
      ),
    );
    const withdrawing = asJson(another({ permissions: { withdraw: true } }));
    expect(await rotate(withdrawing, "--allow-wider")).toMatch(/\(withdraw_refused\)[^]*\[exit 1\]$/);
    expect(await rotate(wider, "--allow-wider")).toContain("state  overlap");
  });

  test("that the venue refuses the new key, or cannot be asked, by another exit code", async () => {
    const fresh = another();
    expect(await rotate(asJson({ ...fresh, apiSecret: first.apiSecret }))).toMatch(
      /^keyhold: the venue rejected the credential \(venue_rejected\)\n {2}Bybit: the signature is invalid[^]*\[exit 1\]$/,
    );
    world.simulator.control.fail("bybit", { kind: "answer", status: 503, body: "{}" }, { times: 1 });
    expect(await rotate(asJson(fresh))).toMatch(
      /^keyhold: the venue could not be reached \(venue_unavailable\)\n[^]*\nhint: try again in a moment\n\[exit 3\]$/,
    );
    expect(await versions(), "nothing has changed").toBe(untouched);
    expect(await rotate(asJson(fresh)), "the control").toContain("state  overlap");
  });

  test("that another rotation is under way, and what to do with it", async () => {
    await rotate(asJson(another()));
    expect(await rotate(asJson(another()))).toBe(
      text(
        "keyhold: not possible in the current state (illegal_state)",
        "  A rotation of this credential is under way. Finish it, or roll it back, before the next.",
        "hint: `show` shows the present state",
        "[exit 1]",
      ),
    );
  });

  test("that the credential is switched off, and how to switch it on", async () => {
    await shell.run(bob, ["credential", "update", id, "--deactivate"]);
    expect(await rotate(asJson(another()))).toBe(
      text(
        "keyhold: the credential is inactive (credential_inactive)",
        "  Switch the credential on before you rotate it.",
        "hint: `keyhold credential update <id> --activate` asks the venue and switches it on",
        "[exit 1]",
      ),
    );
  });

  test("that the overlap is no number, or longer than a day", async () => {
    const fresh = asJson(another());
    expect(await rotate(fresh, "--overlap soon")).toMatch(/Give whole seconds[^]*\[exit 2\]$/);
    expect(await rotate(fresh, "--overlap 86401")).toMatch(/Give whole seconds, 0 to 86400[^]*\[exit 2\]$/);
    expect(await rotate(fresh, "--overlap 86400"), "the control").toContain("state  overlap");
  });

  test("that there is nobody to ask for the key, where it is not piped in", async () => {
    expect(await shell.transcript(bob, `credential rotate ${id}`)).toBe(
      text(
        "keyhold: there is no terminal to ask for the secret at",
        "hint: pipe it in with --secret-stdin, as JSON or as lines of name=value",
        "[exit 2]",
      ),
    );
  });

  test("that the credential is another member's, or is not there", async () => {
    const fresh = asJson(another());
    const lines = [
      `credential rotate ${id} --secret-stdin`,
      `credential versions ${id}`,
      `credential roll-back ${id} --yes`,
      `credential finish-rotation ${id} --yes`,
    ];
    for (const line of lines) {
      expect(await shell.transcript(carol, line, fresh), line).toMatch(/\(forbidden\)[^]*\[exit 1\]$/);
      const missing = line.replace(id, "9b6f2a52-0f0e-4d7e-8a61-1a9c1f7d2e33");
      expect(await shell.transcript(bob, missing, fresh), missing).toMatch(/\(not_found\)[^]*\[exit 1\]$/);
    }
    expect(await versions()).toBe(untouched);
  });
});

test("no secret that was typed is ever printed, nor logged by the service", () => {
  expect(secretsTyped().length, "the control: there are some").toBeGreaterThan(10);
  const leaked = secretsTyped().filter(
    (secret) => shell.printed.includes(secret) || world.service.output().includes(secret),
  );
  expect(leaked).toEqual([]);
});
