import { describe, expect, test } from "vitest";
import { CliError } from "../../../src/cli/errors.ts";
import { parseSecret, refuseSecretOptions } from "../../../src/cli/secret-input.ts";
import { runCli } from "../../support/cli.ts";

/** Stands in every input below; an error that repeats it has leaked a secret. */
const canary = "cAnArY-7f3a";

function failureOf(work: () => unknown): CliError {
  try {
    work();
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("a secret on standard input", () => {
  test("is read as a JSON object of texts", () => {
    expect(parseSecret(`\n {"api_key":"k","api_secret":"a=b\\nc"}`)).toEqual({
      api_key: "k",
      api_secret: "a=b\nc",
    });
  });

  test("is read as lines of name=value, where the value may hold everything but a line break", () => {
    expect(parseSecret("api_key=k\r\n\napi_secret= a=b #c \n")).toEqual({
      api_key: "k",
      api_secret: " a=b #c ",
    });
  });

  test("may be a PEM key whose line breaks are written as \\n", () => {
    const pem = "-----BEGIN EC PRIVATE KEY-----\\nAAAA\\n-----END EC PRIVATE KEY-----";
    expect(parseSecret(`private_key=${pem}`)).toEqual({ private_key: pem.replaceAll("\\n", "\n") });
  });

  test.for([
    ["that is empty", "", "holds no secret"],
    ["that is an empty object", "{}", "holds no secret"],
    ["that is broken JSON", `{"api_key":"${canary}"`, "not valid JSON"],
    ["with a field that is no text", `{"api_key":"${canary}","uid":7}`, "uid is not a text"],
    ["with a line without a name", `api_key=k\n${canary}`, "line 2"],
    ["with a line without a value", `api_key=`, "line 1"],
    ["with a name in capitals, as in a shell", `API_KEY=${canary}`, "line 1"],
    [
      "with a field that stands there twice",
      `api_key=${canary}\napi_key=${canary}`,
      "api_key stands there twice",
    ],
    ["with a value in quotes", `api_key="${canary}"`, "api_key stands in quotes"],
  ] as const)("%s is refused without a word of it", ([, text, told]) => {
    const failure = failureOf(() => parseSecret(text));
    expect(failure.message).toContain(told);
    expect(failure.failure).toBe("usage");
    expect(`${failure.message} ${failure.hint}`).not.toContain(canary);
  });
});

describe("a secret in an argument", () => {
  test.for([
    "--api-key",
    "--api-secret",
    "--apiSecret",
    "--API_SECRET",
    "--secret",
    "--secret-key",
    "--private-key",
    "--passphrase",
    "--password",
    "--token",
    "--uid",
    "-secret",
  ])("is refused as %s, with a sentence and without the value", async (option) => {
    for (const argv of [[option, canary], [`${option}=${canary}`]]) {
      const { code, output, notes } = await runCli(["credential", "register", "binance", ...argv]);
      expect(code).toBe(2);
      expect(output).toBe("");
      expect(notes).toMatch(/^keyhold: secrets are not taken from arguments.*\nhint: .*--secret-stdin/);
      expect(notes).not.toContain(canary);
    }
  });

  test("is not seen in options that hold none", () => {
    const argv = [
      "--secret-stdin",
      "--idempotency-key",
      "--param",
      "token=x",
      "--reason",
      "secret",
      "api-key",
    ];
    expect(() => refuseSecretOptions(argv)).not.toThrow();
    expect(() => refuseSecretOptions(["--", "--secret"])).not.toThrow();
  });
});
