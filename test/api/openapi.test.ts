import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { describeApi, type OpenApiDocument } from "../../src/http/openapi.ts";
import { exampleOf, problemSchema } from "../../src/http/problems.ts";
import { operations as venueOperations } from "../../src/venues/operations.ts";
import { type ApiWorld, createApiWorld } from "../../testkit/api.ts";

let api: ApiWorld;
let document: OpenApiDocument;

beforeAll(async () => {
  api = await createApiWorld();
  document = describeApi(api.routes);
});
afterAll(() => api.close());

type Operation = Readonly<{
  name: string;
  operationId: string;
  description: string;
  requestBody?: { content: Record<string, Content> };
  responses: Record<string, { description: string; content?: Record<string, Content> }>;
  security?: unknown[];
}>;
type Content = {
  schema: { $ref: string };
  example?: unknown;
  examples?: Record<string, { value: unknown }>;
};

const operationShape = z.custom<Omit<Operation, "name">>(
  (value) => typeof value === "object" && value !== null,
);

function operations(): readonly Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method} ${path}`,
      ...operationShape.parse(operation),
    })),
  );
}

function contents(of: { content?: Record<string, Content> } | undefined): Content[] {
  return Object.values(of?.content ?? {});
}

describe("the OpenAPI document", () => {
  it("is the one in the repository: npm run openapi writes it anew", async () => {
    await expect(`${JSON.stringify(document, null, 2)}\n`).toMatchFileSnapshot("../../docs/openapi.json");
  });

  it("is served, to anybody", async () => {
    const served = await api.as("").get("/openapi.json");

    expect(served.status).toBe(200);
    expect(served.json).toEqual(JSON.parse(JSON.stringify(document)));
  });

  it("names every operation once", () => {
    const names = operations().map(({ operationId }) => operationId);

    expect(names.length).toBeGreaterThan(40);
    expect(new Set(names).size).toBe(names.length);
  });

  it("shows an example of every body that is sent or answered", () => {
    const bodies = operations().flatMap(({ name, requestBody, responses }) => [
      ...contents(requestBody).map((content) => ({ name, content })),
      ...Object.entries(responses)
        .filter(([status]) => status.startsWith("2"))
        .flatMap(([, response]) => contents(response).map((content) => ({ name, content }))),
    ]);

    expect(bodies.length).toBeGreaterThan(50);
    for (const { name, content } of bodies) expect(content.example ?? content.examples, name).toBeDefined();
  });

  it("tells of every operation how it can fail", () => {
    for (const { name, responses, security } of operations()) {
      const open = security !== undefined;
      for (const status of open ? ["500", "503"] : ["401", "403", "429", "500", "503"]) {
        expect(Object.keys(responses), name).toContain(status);
      }
      for (const [status, response] of Object.entries(responses)) {
        if (Number(status) < 400) continue;
        expect(Object.keys(response.content ?? {}), `${name} ${status}`).toEqual([
          "application/problem+json",
        ]);
      }
    }
  });

  it("refers to nothing that it does not hold, and holds nothing that nobody refers to", () => {
    const text = JSON.stringify(document);
    const referred = new Set(
      Array.from(text.matchAll(/"#\/components\/schemas\/(\w+)"/g), ([, name = ""]) => name),
    );
    const schemas = Object.keys(
      z.looseObject({ schemas: z.looseObject({}) }).parse(document.components).schemas,
    );

    expect([...referred].toSorted()).toEqual(schemas.toSorted());
  });

  it("shows an example of each code by which an operation can fail", () => {
    for (const { name, responses } of operations()) {
      for (const [status, response] of Object.entries(responses)) {
        if (Number(status) < 400) continue;
        const codes = Array.from(response.description.matchAll(/`(\w+)`/g), ([, code = ""]) => code);
        const [content] = contents(response);
        expect(Object.keys(content?.examples ?? {}), `${name} ${status}`).toEqual(codes);
        for (const { value } of Object.values(content?.examples ?? {})) {
          expect(problemSchema.parse(value).status).toBe(Number(status));
        }
      }
    }
  });

  it("says of every operation what it needs, and where the service is", () => {
    expect(document.servers).not.toEqual([]);
    for (const { name, description } of operations()) expect(description, name).toMatch(/\bRequires /);
  });

  it("has the parameters of each operation of venues, with an example that they take", () => {
    const { requestBody } = operations().find(({ operationId }) => operationId === "invokeOperation") ?? {};
    const examples = contents(requestBody).flatMap(({ examples = {} }) => Object.values(examples));
    const shape = z.object({ operation: z.string(), params: z.record(z.string(), z.unknown()) });
    const shown = examples.map(({ value }) => shape.parse(value));

    expect(shown.map(({ operation }) => operation).toSorted()).toEqual(
      venueOperations.map(({ name }) => name).toSorted(),
    );
    for (const { operation, params } of shown) {
      const known = venueOperations.find(({ name }) => name === operation);
      expect(known?.params.safeParse(params).error, operation).toBeUndefined();
    }
    const { schemas } = z
      .looseObject({
        schemas: z.looseObject({
          Invocation: z.object({ oneOf: z.array(z.looseObject({ title: z.string() })) }),
        }),
      })
      .parse(document.components);
    expect(schemas.Invocation.oneOf.map(({ title }) => title)).toEqual(
      venueOperations.map(({ name }) => `Invoke ${name}`),
    );
  });

  it("has no pattern that other languages cannot read", () => {
    expect(JSON.stringify(document)).not.toMatch(/"pattern":"[^"]*\\\\p\{/);
    expect(JSON.stringify(document)).toContain('"pattern":"');
  });

  it("has no component whose name a generator would give to a field of another", () => {
    const { schemas } = z
      .looseObject({
        schemas: z.record(
          z.string(),
          z.looseObject({ properties: z.record(z.string(), z.unknown()).default({}) }),
        ),
      })
      .parse(document.components);
    const inner = Object.entries(schemas).flatMap(([id, { properties }]) =>
      Object.keys(properties).map(
        (name) => `${id}${name.replaceAll(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
      ),
    );
    expect(Object.keys(schemas).filter((id) => inner.includes(id))).toEqual([]);
  });

  it("shows a problem as problems are", () => {
    expect(problemSchema.safeParse(exampleOf("not_found")).error).toBeUndefined();
  });
});

describe("the page that shows it", () => {
  it("loads nothing from another host and runs no script in its text", async () => {
    const page = await api.as("").get("/docs/");
    const initializer = await api.as("").get("/docs/static/swagger-initializer.js");

    expect(page.status).toBe(200);
    expect(page.text).not.toMatch(/(?:src|href)="https?:/);
    expect(page.text).not.toMatch(/<script(?![^>]*\bsrc=)/);
    expect(initializer.text).not.toContain("validator.swagger.io");
    expect(String(page.headers["content-security-policy"])).toMatch(/default-src 'none'; script-src 'self';/);
  });
});
