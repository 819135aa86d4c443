import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { shipped } from "../../testkit/cluster/configuration.ts";

const named = z.looseObject({ kind: z.string(), metadata: z.looseObject({ name: z.string() }) });

const memory = z.object({ memory: z.string() });
const probe = z.object({ httpGet: z.object({ scheme: z.string(), port: z.string(), path: z.string() }) });
const container = z.object({
  name: z.string(),
  image: z.string(),
  env: z.array(z.object({ name: z.string(), value: z.string().optional() })).default([]),
  resources: z.object({ requests: memory, limits: memory }),
  securityContext: z.looseObject({}),
  readinessProbe: probe.optional(),
  livenessProbe: probe.optional(),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
});
const pod = z.looseObject({
  serviceAccountName: z.string(),
  securityContext: z.looseObject({}),
  containers: z.array(container),
  volumes: z.array(z.looseObject({ name: z.string() })),
});
const template = z.object({ spec: z.object({ template: z.object({ spec: pod }) }) });

export type Pod = Readonly<z.output<typeof pod>>;

/** The files of the folder that has the manifests, `kustomization.yaml` left out. */
export const manifestFiles: readonly string[] = readdirSync(join(shipped, "kubernetes"))
  .filter((name) => name !== "kustomization.yaml")
  .sort();

const objects = manifestFiles
  .flatMap((name) => readYaml("kubernetes", name))
  .map((object) => named.parse(object));

/** The documents of a file. */
export function readYaml(...path: readonly string[]): unknown[] {
  const text = readFileSync(join(shipped, ...path), "utf8");
  return parseAllDocuments(text).map((document): unknown => document.toJS());
}

/** The object of this kind and name. Throws an `Error` unless there is exactly one. */
export function find(kind: string, name: string): unknown {
  const [found, ...others] = objects.filter((it) => it.kind === kind && it.metadata.name === name);
  if (found === undefined || others.length > 0) throw new Error(`there is not one ${kind} ${name}`);
  return found;
}

export function podOfNodes(): Pod {
  return template.parse(find("StatefulSet", "openbao")).spec.template.spec;
}

export function podOfSnapshots(): Pod {
  const job = z
    .object({ spec: z.object({ jobTemplate: template }) })
    .parse(find("CronJob", "openbao-snapshot"));
  return job.spec.jobTemplate.spec.template.spec;
}

/** What a pod is given beyond the least: each with who it is that has it. */
export function excesses({ securityContext, containers, ...rest }: Pod): string[] {
  const found: string[] = [];
  const demand = (who: string, actual: object, expected: Readonly<Record<string, unknown>>): void => {
    for (const [name, value] of Object.entries(expected))
      if (JSON.stringify(Reflect.get(actual, name)) !== JSON.stringify(value)) found.push(`${who}: ${name}`);
  };
  demand("pod", securityContext, { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
  demand("pod", rest, { hostNetwork: undefined, hostPID: undefined, hostIPC: undefined });
  for (const each of containers) {
    demand(each.name, each.securityContext, {
      privileged: undefined,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    // More than what is requested may be swapped out.
    demand(each.name, each.resources.limits, each.resources.requests);
  }
  for (const volume of rest.volumes) if ("hostPath" in volume) found.push(`${volume.name}: hostPath`);
  return found;
}
