import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb'

type Item = Record<string, AttributeValue>

/**
 * A table in this process, as much of DynamoDB as the ledger uses, so that thousands of orders can be tried. That
 * DynamoDB does the same with these expressions is proven over moto, in ledger.test.ts. `before` and `after` stand
 * around each call, and may make it fail.
 */
export function tableIn(items: Map<string, Item>, around: <T>(call: () => T) => Promise<T>): DynamoDBClient {
  const send = (command: unknown, { abortSignal }: { abortSignal?: AbortSignal } = {}) =>
    new Promise((resolve, reject) => {
      const end = () => reject(Object.assign(new Error('aborted'), { name: 'AbortError' }))
      if (abortSignal?.aborted) return end()
      abortSignal?.addEventListener('abort', end)
      around(() => carryOut(items, command)).then(resolve, reject)
    })
  return { send } as never
}

function carryOut(items: Map<string, Item>, command: unknown): object {
  if (command instanceof GetItemCommand) return { Item: items.get(command.input.Key?.id?.S ?? '') }
  if (!(command instanceof PutItemCommand || command instanceof UpdateItemCommand))
    throw new Error('no such call')
  const { ConditionExpression: condition, ExpressionAttributeValues: values = {} } = command.input
  const { id } = (command instanceof PutItemCommand ? command.input.Item : command.input.Key) ?? {}
  const old = items.get(id?.S ?? '')
  if (condition && !holds(condition, old ?? {}, values))
    throw new ConditionalCheckFailedException({ message: '', $metadata: {}, ...(old && { Item: old }) })
  const item =
    command instanceof PutItemCommand
      ? { ...command.input.Item }
      : updated(command, old ?? { id: id ?? { S: '' } })
  items.set(id?.S ?? '', item)
  return { Attributes: item }
}

const plain = (value: AttributeValue | undefined) =>
  value?.S ?? (value?.N === undefined ? undefined : Number(value.N))

function holds(expression: string, item: Item, values: Item): boolean {
  const operand = (text: string) => plain(text.startsWith(':') ? values[text] : item[text])
  const script = expression
    .replaceAll(/attribute_not_exists\((\w+)\)/g, (_, name) => `${!(name in item)}`)
    .replaceAll(/attribute_exists\((\w+)\)/g, (_, name) => `${name in item}`)
    .replaceAll(/([\w:]+) (<|>|=) ([\w:]+)/g, (_, left, sign, right) => {
      const [a, b] = [operand(left), operand(right)]
      // A comparison with a missing attribute is false.
      if (a === undefined || b === undefined) return 'false'
      return `${sign === '<' ? a < b : sign === '>' ? a > b : a === b}`
    })
    .replaceAll('AND', '&&')
    .replaceAll('OR', '||')
  if (!/^[truefals&|() ]+$/.test(script)) throw new Error(`not understood: ${expression}`)
  return new Function(`return ${script}`)()
}

function updated({ input }: UpdateItemCommand, old: Item): Item {
  const {
    UpdateExpression = '',
    ExpressionAttributeValues: values = {},
    ExpressionAttributeNames: names = {},
  } = input
  const item = { ...old }
  const attributeOf = (text: string) => names[text] ?? text
  const clauses = UpdateExpression.split(/\b(SET|ADD|REMOVE|DELETE)\b/).slice(1)
  for (let n = 0; n < clauses.length; n += 2)
    for (const part of (clauses[n + 1] ?? '').split(/,(?![^(]*\))/).map(text => text.trim())) {
      const [, name = '', unless, value = ''] =
        /^(#?\w+)(?: = (?:if_not_exists\((\w+), ?)?| )?(:\w+)?\)?$/.exec(part) ?? []
      if (!name) throw new Error(`not understood: ${part}`)
      const key = attributeOf(name)
      if (clauses[n] === 'REMOVE') delete item[key]
      else if (clauses[n] === 'ADD')
        item[key] = { SS: [...new Set([...(item[key]?.SS ?? []), ...(values[value]?.SS ?? [])])] }
      else if (clauses[n] === 'DELETE')
        item[key] = { SS: (item[key]?.SS ?? []).filter(text => !values[value]?.SS?.includes(text)) }
      else if (!unless || !(unless in item)) item[key] = values[value] as AttributeValue
    }
  return item
}
