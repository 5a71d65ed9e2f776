import { writeFileSync } from 'node:fs'
import type * as v from 'valibot'
import { reportSchema } from '../fleet/audit/reportSchema.ts'

const file = new URL('../docs/audit.schema.json', import.meta.url)

/** A schema of valibot, with the fields that this script reads. `wrapped` is the schema inside one that is optional. */
type Schema = {
  type: string
  entries?: Record<string, Schema>
  item?: Schema
  value?: Schema
  wrapped?: Schema
  literal?: unknown
  options?: unknown[]
  pipe?: { type: string; description?: string; requirement?: number }[]
}

/** The JSON Schema of a valibot schema. @throws Error for a kind of schema that the report does not use yet */
function jsonSchemaOf(schema: Schema): object {
  const { pipe = [] } = schema
  const description = pipe.find(({ type }) => type === 'description')?.description
  const whole = pipe.some(({ type }) => type === 'integer')
  const minimum = pipe.find(({ type }) => type === 'min_value')?.requirement
  return {
    ...(description && { description }),
    ...typeSchemaOf(schema),
    ...(whole && { type: 'integer' }),
    ...(minimum !== undefined && { minimum }),
  }
}

/** The part of the JSON Schema that follows from the type. */
function typeSchemaOf(schema: Schema): object {
  const { type, entries = {}, item, value, options, literal } = schema
  switch (type) {
    case 'string':
    case 'number':
    case 'boolean':
      return { type }
    case 'literal':
      return { const: literal }
    case 'picklist':
      return { enum: options }
    case 'array':
      return { type, items: jsonSchemaOf(item as Schema) }
    case 'record':
      return { type: 'object', additionalProperties: jsonSchemaOf(value as unknown as Schema) }
    case 'object':
      return {
        type,
        properties: Object.fromEntries(
          Object.entries(entries).map(([name, entry]) => [name, jsonSchemaOf(entry.wrapped ?? entry)]),
        ),
        required: Object.keys(entries).filter(name => entries[name]?.type !== 'exact_optional'),
      }
    default:
      throw new Error(`auditSchema.ts does not know the schema ${type}`)
  }
}

/** The JSON Schema of an audit's report: the text of docs/audit.schema.json. */
export function auditSchema(): string {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Report of keyturn audit --json, format keyturn-audit/1',
    ...jsonSchemaOf(reportSchema as v.GenericSchema as unknown as Schema),
  }
  return `${JSON.stringify(schema, undefined, 2)}\n`
}

if (import.meta.main) writeFileSync(file, auditSchema())
