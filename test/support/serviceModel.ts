import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

type Shape = {
  type: string
  members?: Record<string, { shape: string }>
  required?: string[]
  member?: { shape: string }
  key?: { shape: string }
  value?: { shape: string }
  enum?: string[]
  min?: number
  max?: number
  pattern?: string
  exception?: boolean
  timestampFormat?: string
}
type Operation = { input: { shape: string }; output?: { shape: string }; errors?: { shape: string }[] }

/** AWS's description of a service with a JSON protocol: the members and types of its requests and answers. */
export class ServiceModel {
  readonly #operations: Record<string, Operation>
  readonly #shapes: Record<string, Shape>

  constructor(model: { operations: Record<string, Operation>; shapes: Record<string, Shape> }) {
    this.#operations = model.operations
    this.#shapes = model.shapes
  }

  /** Reads the description from botocore, in the Python environment whose folder is `bin`. */
  static async load(bin: string, service: string): Promise<ServiceModel> {
    const print = `import json; from botocore.loaders import Loader; print(json.dumps(Loader().load_service_model("${service}", "service-2")))`
    const printed = await promisify(execFile)(join(bin, 'python'), ['-c', print], { maxBuffer: 1e8 })
    return new ServiceModel(JSON.parse(printed.stdout))
  }

  /** @returns what is wrong with a request for an operation, as sentences */
  problemsInRequest(operation: string, request: unknown): string[] {
    const input = this.#operations[operation]?.input
    return input ? this.#problemsIn(input.shape, request, operation) : [`${operation} is no operation`]
  }

  /** @returns what is wrong with an operation's answer. An error must be one that the operation declares. */
  problemsInAnswer(operation: string, status: number, answer: Record<string, unknown>): string[] {
    const found = this.#operations[operation]
    if (!found) return [`${operation} is no operation`]
    if (status === 200)
      return found.output ? this.#problemsIn(found.output.shape, answer, operation) : unknownKeys(answer)
    const { __type, ...body } = answer
    const declared = found.errors?.find(({ shape }) => shape === __type)
    return declared
      ? this.#problemsIn(declared.shape, body, `${operation}: ${__type}`)
      : [`${operation} does not declare ${__type}`]
  }

  #problemsIn(name: string, value: unknown, path: string): string[] {
    const shape = this.#shapes[name] as Shape
    if (shape.type === 'structure') return this.#problemsInStructure(shape, value, path)
    if (shape.type === 'list') return this.#problemsInList(shape, value, path)
    if (shape.type === 'map') return this.#problemsInMap(shape, value, path)
    if (shape.type === 'string') return problemsInText(shape, value, path)
    if (shape.type === 'boolean') return typeof value === 'boolean' ? [] : [`${path} is no boolean`]
    if (shape.type === 'blob') return typeof value === 'string' ? [] : [`${path} is no Base64`]
    if (['timestamp', 'integer', 'long'].includes(shape.type)) return problemsInNumber(shape, value, path)
    return [`${path} is of the unknown type ${shape.type}`]
  }

  #problemsInStructure({ members = {}, required = [] }: Shape, value: unknown, path: string): string[] {
    if (!isObject(value)) return [`${path} is no structure`]
    const missing = required
      .filter(member => !(member in value))
      .map(member => `${path}.${member} is missing`)
    const found = Object.entries(value).flatMap(([key, inner]) => {
      const member = members[key]
      return member ? this.#problemsIn(member.shape, inner, `${path}.${key}`) : [`${path}.${key} is unknown`]
    })
    return [...missing, ...found]
  }

  #problemsInList(shape: Shape, value: unknown, path: string): string[] {
    if (!Array.isArray(value)) return [`${path} is no list`]
    const each = value.flatMap((inner, i) =>
      this.#problemsIn(`${shape.member?.shape}`, inner, `${path}[${i}]`),
    )
    return [...problemsInSize(shape, value.length, path), ...each]
  }

  #problemsInMap({ key, value: inner }: Shape, value: unknown, path: string): string[] {
    if (!isObject(value)) return [`${path} is no map`]
    return Object.entries(value).flatMap(([name, entry]) => [
      ...this.#problemsIn(`${key?.shape}`, name, `${path} key`),
      ...this.#problemsIn(`${inner?.shape}`, entry, `${path}.${name}`),
    ])
  }
}

function problemsInText(shape: Shape, value: unknown, path: string): string[] {
  if (typeof value !== 'string') return [`${path} is no text`]
  if (shape.enum && !shape.enum.includes(value)) return [`${path} is none of ${shape.enum}`]
  if (shape.pattern && !new RegExp(`^(?:${shape.pattern})$`, 's').test(value))
    return [`${path} does not match ${shape.pattern}`]
  return problemsInSize(shape, value.length, path)
}

function problemsInNumber(shape: Shape, value: unknown, path: string): string[] {
  if (shape.timestampFormat === 'iso8601')
    return Number.isNaN(Date.parse(`${value}`)) ? [`${path} is no date`] : []
  if (typeof value !== 'number') return [`${path} is no number`]
  if (shape.type === 'timestamp') return []
  return Number.isInteger(value) ? problemsInSize(shape, value, path) : [`${path} is no whole number`]
}

function problemsInSize({ min = 0, max = Infinity }: Shape, size: number, path: string): string[] {
  return size >= min && size <= max ? [] : [`${path} is not between ${min} and ${max}`]
}

function unknownKeys(answer: object): string[] {
  return Object.keys(answer).map(key => `${key} is unknown: there is no output`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
