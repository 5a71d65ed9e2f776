import { parseAst } from 'vitest/node'

// Nodes of the syntax tree, named as in https://github.com/estree/estree.
type Statement = ReturnType<typeof parseAst>['body'][number]
type Declarator = Extract<Statement, { type: 'VariableDeclaration' }>['declarations'][number]
type Expression = NonNullable<Declarator['init']>
type Elements = Extract<Expression, { type: 'ArrayExpression' }>['elements']

/** `export` with what it exports; not a list of names, such as `export { name } from './file.ts'`. */
const isExported = (node: Statement) =>
  node.type === 'ExportDefaultDeclaration' || (node.type === 'ExportNamedDeclaration' && node.declaration)

/** The names of functions of which only the first of several signatures needs a docstring. */
const functionName = (node: Statement | null | undefined) =>
  node?.type === 'ExportNamedDeclaration' && node.declaration && 'id' in node.declaration
    ? node.declaration.id && 'name' in node.declaration.id && node.declaration.id.name
    : undefined

const hasDocstring = (before: string) =>
  /\*\/\s*$/.test(before) && before.slice(before.lastIndexOf('/*')).startsWith('/**')

/** The first line of each export of this text that no docstring stands before. */
export function undocumented(text: string): string[] {
  const { body } = parseAst(text, { lang: 'ts' })
  return body.flatMap((node, index) => {
    const name = functionName(node)
    const isOtherSignature = name && name === functionName(body[index - 1])
    if (!isExported(node) || isOtherSignature || hasDocstring(text.slice(0, node.start))) return []
    return [text.slice(node.start).split('\n')[0] ?? '']
  })
}

const isUpperCase = (name: string) => /^[A-Z][A-Z\d]*(_[A-Z\d]+)*$/.test(name)

/** Whether it is written down as a value: a number, text or regular expression, or a list or table of such. */
function isLiteral(node: Expression | Elements[number]): boolean {
  switch (node?.type) {
    case 'Literal':
      return true
    case 'Identifier':
      return isUpperCase(node.name)
    case 'MemberExpression':
      return isLiteral(node.object)
    case 'TemplateLiteral':
      return node.expressions.every(isLiteral)
    case 'UnaryExpression':
    case 'SpreadElement':
      return isLiteral(node.argument)
    case 'BinaryExpression':
      return node.left.type !== 'PrivateIdentifier' && isLiteral(node.left) && isLiteral(node.right)
    case 'TSAsExpression':
    case 'TSSatisfiesExpression':
      return isLiteral(node.expression)
    case 'ArrayExpression':
      return node.elements.length > 0 && node.elements.every(isLiteral)
    case 'ObjectExpression':
      return (
        node.properties.length > 0 &&
        node.properties.every(one => isLiteral(one.type === 'Property' ? one.value : one))
      )
    case 'NewExpression':
      return (
        node.callee.type === 'Identifier' &&
        ['Set', 'Map'].includes(node.callee.name) &&
        node.arguments.length > 0 &&
        node.arguments.every(isLiteral)
      )
    default:
      return false
  }
}

/** The names of the constants that this declares whose values are literal. */
function literals({ id, init }: Declarator): string[] {
  if (id.type === 'Identifier') return isLiteral(init) ? [id.name] : []
  if (id.type !== 'ArrayPattern' || init?.type !== 'ArrayExpression') return []
  return id.elements.flatMap((one, index) =>
    one?.type === 'Identifier' && isLiteral(init.elements[index] ?? null) ? [one.name] : [],
  )
}

/** The module constants of this text that have a literal value, and no name in UPPER_CASE. */
export function lowerCase(text: string): string[] {
  return parseAst(text, { lang: 'ts' })
    .body.map(node => (node.type === 'ExportNamedDeclaration' ? node.declaration : node))
    .flatMap(node => (node?.type === 'VariableDeclaration' && node.kind === 'const' ? node.declarations : []))
    .flatMap(literals)
    .filter(name => !isUpperCase(name))
}
