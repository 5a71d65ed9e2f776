import { readFileSync, writeFileSync } from 'node:fs'
import { replaceBlock } from './replaceBlock.ts'

/** A state machine, or a part of one, as the Amazon States Language has it. */
type States = {
  StartAt: string
  States: Record<string, State>
}
type State = {
  Type: string
  Next?: string
  Default?: string
  End?: boolean
  Choices?: Choice[]
  Catch?: { ErrorEquals: string[]; Next: string }[]
  ItemProcessor?: States
  Branches?: States[]
}

type Comparison = {
  Variable: string
  IsPresent?: boolean
  StringEquals?: string
  BooleanEquals?: boolean
  NumericEquals?: number
}
type Choice = { Next: string } & (Comparison | { And: Comparison[] })

/** The pages that show state machines, each with the names of its state machines. */
export const MACHINES_BY_PAGE = {
  'docs/rotation.md': ['rotate'],
  'docs/schedules.md': ['rotate-due', 'rotate-server'],
  'docs/disaster-recovery.md': ['promote'],
} as const
type Page = keyof typeof MACHINES_BY_PAGE

const project = new URL('../', import.meta.url)
const readProjectFile = (path: string) => readFileSync(new URL(path, project), 'utf8')

/** A state machine as a flowchart of Mermaid. A dotted arrow leads to the state that follows a failure. */
export function flowchartOf(stateMachine: string): string {
  const machine: States = JSON.parse(readProjectFile(`statemachines/${stateMachine}.asl.json`))
  return ['flowchart TD', `  start(( )) --> ${machine.StartAt}`, ...draw(machine, '  ')].join('\n')
}

/** The lines of the flowchart for these states. */
function draw({ States }: States, indent: string): string[] {
  return Object.entries(States).flatMap(([name, state]) => [
    ...[
      ...shape(name, state),
      ...(state.Next ? [`${name} --> ${state.Next}`] : []),
      ...(state.Choices ?? []).map(choice => `${name} -- ${conditionText(choice)} --> ${choice.Next}`),
      ...(state.Default ? [`${name} -- no --> ${state.Default}`] : []),
      ...(state.Catch ?? [])
        .filter(({ Next }) => Next !== state.Next)
        .map(({ ErrorEquals, Next }) => `${name} -.${label(ErrorEquals)}-> ${Next}`),
    ].map(arrow => indent + arrow),
    ...(state.ItemProcessor
      ? [`${indent}subgraph ${name}`, ...draw(state.ItemProcessor, `${indent}  `), `${indent}end`]
      : []),
    ...(state.Branches
      ? [
          `${indent}subgraph ${name}`,
          ...state.Branches.map(branch => `${indent}  ${successPathOf(branch)}`),
          `${indent}end`,
        ]
      : []),
  ])
}

/** The states that a branch of a Parallel goes through if none fails. A failure is handled by the state after the Parallel. */
function successPathOf({ StartAt, States }: States): string {
  const names = [StartAt]
  for (let next = States[StartAt]?.Next; next; next = States[next]?.Next) names.push(next)
  return names.join(' --> ')
}

const conditionText = (choice: Choice) =>
  'And' in choice ? choice.And.map(comparisonText).join(' and ') : comparisonText(choice)

/**
 * A comparison of a Choice state as a short text. `peers` stands for the placeholder ${StoreWithPeers}, which the deployment fills
 * in: there are peer Regions to ask.
 */
function comparisonText({
  Variable,
  IsPresent,
  StringEquals,
  BooleanEquals,
  NumericEquals,
}: Comparison): string {
  const path = Variable.slice('$.'.length)
  if (StringEquals) return StringEquals === '${StoreWithPeers}' ? 'peers' : StringEquals
  if (NumericEquals !== undefined) return `${path} is ${NumericEquals}`
  if (BooleanEquals !== undefined) return BooleanEquals ? path : `not ${path}`
  return IsPresent ? path.replace('[0]', '') : 'yes'
}

/** The line that draws a state in another shape than a box, if it has one: a Choice, or an end. */
function shape(name: string, { Type, End }: State): string[] {
  if (Type === 'Choice') return [`${name}{${name}}`]
  return End || Type === 'Succeed' || Type === 'Fail' ? [`${name}([${name}])`] : []
}

/** The label of an arrow to the state that follows these errors: none for all errors. */
const label = (errors: string[]) => (errors.includes('States.ALL') ? '' : ` ${errors.join(', ')} .`)

const flowchartPattern = (name: string) =>
  new RegExp(`(?<=<!-- made from statemachines/${name}\\.asl\\.json.*-->\\n)\`\`\`mermaid\\n[\\s\\S]*?\`\`\``)

/** The text of a page, with flowcharts of the state machines as they are in statemachines/. */
export function pageWithFlowcharts(page: Page): string {
  const names: readonly string[] = MACHINES_BY_PAGE[page]
  return names.reduce(
    (text, name) => replaceBlock(text, flowchartPattern(name), `\`\`\`mermaid\n${flowchartOf(name)}\n\`\`\``),
    readProjectFile(page),
  )
}

if (import.meta.main)
  for (const page of Object.keys(MACHINES_BY_PAGE) as Page[])
    writeFileSync(new URL(page, project), pageWithFlowcharts(page))
