import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { CliError } from "../../../src/cli/errors.ts";
import { parseSecret, readPipedSecret, refuseSecretOptions } from "../../../src/cli/secret-input.ts";
import { collect, runCli } from "../../../testkit/cli.ts";

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
      api_secret: "a=b #c",
    });
  });

  test.for([
    ["variables of a shell", "export API_KEY=k\nexport API_SECRET='s#$'\n"],
    ["variables of PowerShell", '$env:API_KEY = "k"\r\n$env:API_SECRET = "s#$"\r\n'],
    ["comments and blanks", "# my key\n\n  API_KEY = k\n  # the other one\nAPI_SECRET =s#$"],
    ["the lines of YAML", 'API_KEY: k\nAPI_SECRET: "s#$"'],
  ] as const)("is read as %s", ([, text]) => {
    expect(parseSecret(text)).toEqual({ API_KEY: "k", API_SECRET: "s#$" });
  });

  const pem = "-----BEGIN EC PRIVATE KEY-----\nAAAA\nBB==\n-----END EC PRIVATE KEY-----";
  const parameters = "-----BEGIN EC PARAMETERS-----\nCCCC\n-----END EC PARAMETERS-----";
  test.for([
    ["over several lines", `private_key=${pem}\napi_key=k`, pem],
    ["with Windows line breaks", `private_key=${pem}\napi_key=k`.replaceAll("\n", "\r\n"), pem],
    ["in quotes", `private_key="${pem}\n"\napi_key=k`, `${pem}\n`],
    ["below a sign of YAML", `private_key: |\n${pem}\napi_key: k`, `|\n${pem}`],
    ["behind its parameters", `private_key=${parameters}\n${pem}\napi_key=k`, `${parameters}\n${pem}`],
    [
      "with line breaks written as \\n, as it is",
      `private_key=${pem.replaceAll("\n", "\\n")}\napi_key=k`,
      pem.replaceAll("\n", "\\n"),
    ],
    [
      "the same in double quotes",
      `private_key="${pem.replaceAll("\n", "\\n")}"\napi_key=k`,
      pem.replaceAll("\n", "\\n"),
    ],
  ] as const)("may be a PEM %s", ([, text, private_key]) => {
    expect(parseSecret(text)).toEqual({ private_key, api_key: "k" });
  });

  test("may be of any JSON, for its names are read elsewhere", () => {
    expect(parseSecret('{"name":"n","scopes":[],"said":"{\\"name\\": 1}"}')).toEqual({
      name: "n",
      scopes: [],
      said: '{"name": 1}',
    });
  });

  test.for([
    ["UTF-8 with a byte order mark", Buffer.from("\uFEFFkey=k\nsecret=s")],
    ["UTF-16, as PowerShell writes files", Buffer.from("\uFEFFkey=k\r\nsecret=s\r\n", "utf16le")],
  ] as const)("may be in %s", async ([, bytes]) => {
    const input = Readable.from([bytes.subarray(0, 5), bytes.subarray(5)]);
    const { stream } = collect();
    expect(await readPipedSecret({ input, output: stream, notes: stream })).toEqual({
      key: "k",
      secret: "s",
    });
  });

  test.for([
    ["that is empty", "", "holds no secret"],
    ["that is an empty object", "{}", "holds no secret"],
    ["that is broken JSON", `{"api_key":"${canary}"`, "not valid JSON"],
    [
      "with two fields of one name",
      `{"api_key":"${canary}", "api_key" :"${canary}"}`,
      "api_key is there twice",
    ],
    ["that is a PEM without a name", `-----BEGIN PRIVATE KEY-----\n${canary}`, "line 1"],
    [
      "with a PEM that does not end",
      `api_secret=-----BEGIN PRIVATE KEY-----\n${canary}\napi_key=k`,
      "no END line",
    ],
    ["with a backslash in double quotes", `passphrase="${canary}\\n"`, "has a backslash in it"],
    ["with a line without a name", `api_key=k\n${canary}`, "line 2"],
    ["with a field that is there twice", `api_key=${canary}\napi_key=${canary}`, "api_key is there twice"],
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
