import { all, answerOf, at, createClient } from "@keyhold/client";

/** Prints the account behind each credential that the token reaches. KEYHOLD_TOKEN=… node examples/read-accounts.ts */
const { KEYHOLD_URL: baseUrl = "http://127.0.0.1:7070", KEYHOLD_TOKEN: token = "" } = process.env;
const keyhold = createClient({ baseUrl, token });

const credentials = all((query) => answerOf(keyhold.GET("/api/v1/credentials", { params: { query } })));
for await (const { id, venue, environment } of credentials) {
  // A refusal is thrown as a `KeyholdProblem`, which says in `detail` what to do.
  const { outcome, message, result } = await answerOf(
    keyhold.POST("/api/v1/credentials/{id}/invoke", { ...at(id), body: { operation: "account" } }),
  );
  process.stdout.write(`${venue} ${environment} ${outcome} ${message ?? JSON.stringify(result)}\n`);
}
