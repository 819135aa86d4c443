import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { answerOf, type Invocation, type Invoked } from "@keyhold/client";
import type { Command } from "commander";
import { z } from "zod";
import { nearNames } from "../near-names.ts";
import type { Cli } from "./cli.ts";
import { CliError } from "./errors.ts";
import { aboutCredential, idOf } from "./select.ts";

type Options = Readonly<{ param?: readonly string[]; jsonParams?: string; idempotencyKey?: string }>;

export function addInvokeCommand(program: Command, cli: Cli): void {
  program
    .command("invoke")
    .description("run an operation at the venue; the key stays in the service")
    .argument("<credential>", aboutCredential)
    .argument("<operation>", "such as fetchBalance or createOrder; `keyhold venues <venue>` lists them")
    .option(
      "--param <name=value>",
      "a parameter: name=text, or name:=json for numbers, lists and flags",
      repeat,
    )
    .option("--json-params <file>", "all parameters as one JSON object, from a file or - for standard input")
    .option(
      "--idempotency-key <name>",
      "for what moves money: repeated with the same name it is not done again",
    )
    .action(async (name: string, operation: string, options: Options) => {
      const params = await readParams(cli, options);
      const id = await idOf(cli, "credential", name);
      const invoked = await invokeOnce(cli, id, { operation, params }, options.idempotencyKey);
      cli.output.result(invoked, invoked.result);
      if (invoked.outcome === "done") return;
      throw new CliError("unknown", "the outcome is not known", {
        ...(invoked.message === null ? {} : { detail: invoked.message }),
        hint: repeatHint,
      });
    });
}

const repeatHint = "repeat the command with the same --idempotency-key: what was done is not done again";

/** The service judges operations and parameters, of which a newer one knows more. */
const invocation = z.custom<Invocation>((body) => typeof body === "object");

async function invokeOnce(
  cli: Cli,
  id: string,
  body: Readonly<{ operation: string; params: object }>,
  idempotencyKey: string | undefined,
): Promise<Invoked> {
  const api = await cli.api();
  const header = idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey };
  const request = { params: { path: { id }, header }, body: invocation.parse(body) };
  try {
    return await answerOf(api.POST("/api/v1/credentials/{id}/invoke", request));
  } catch (error) {
    const { explain } = await import("./service.ts");
    const known = explain(error, cli.environment);
    if (!(known instanceof CliError)) throw error;
    const { failure, message, code, document } = known;
    const detail = known.detail ?? undefined;
    // An order whose answer is lost may have been placed: that is not the same as a service that could not be
    // asked.
    if (failure === "unavailable" && idempotencyKey !== undefined)
      throw new CliError("unknown", message, { detail, document, hint: repeatHint });
    const hint = hintFor(known, body.operation);
    throw new CliError(failure, message, { detail, code, document, hint });
  }
}

function hintFor({ code, hint, document }: CliError, operation: string): string | undefined {
  if (code === "malformed")
    return "`keyhold venues <venue> <operation>` shows the parameters; a number is written limit:=3";
  const { data: known = [] } = z.array(z.string()).safeParse(document["operations"]);
  const near = code === "unknown_operation" ? nearNames(operation, known) : [];
  return near.length === 0 ? (hint ?? undefined) : `did you mean ${near.join(" or ")}?`;
}

async function readParams({ terminal }: Cli, { param = [], jsonParams }: Options): Promise<object> {
  const given = Object.fromEntries(param.map(parseParam));
  if (jsonParams === undefined) return given;
  const content = await (jsonParams === "-" ? text(terminal.input) : read(jsonParams));
  const all = parseJson(content, jsonParams === "-" ? "standard input" : jsonParams);
  if (typeof all === "object" && all !== null && !Array.isArray(all)) return { ...all, ...given };
  throw new CliError("usage", "the parameters are not one JSON object");
}

/** Throws `CliError` for anything but name=text or name:=json. */
function parseParam(param: string): readonly [name: string, value: unknown] {
  const { name, json, value } = /^(?<name>\w+)(?<json>:)?=(?<value>.*)$/s.exec(param)?.groups ?? {};
  if (name === undefined || value === undefined) {
    throw new CliError("usage", `the parameter ${param} is neither name=text nor name:=json`);
  }
  return [name, json === undefined ? value : parseJson(value, `the parameter ${name}`)];
}

function parseJson(content: string, what: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    throw new CliError("usage", `${what} is not valid JSON`);
  }
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch {
    throw new CliError("usage", `${path} cannot be read`);
  }
}

function repeat(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}
