/** What the tests use of it. */
declare module 'jstat' {
  const jstat: {
    readonly jStat: {
      readonly hypgeom: { cdf(x: number, population: number, marked: number, drawn: number): number };
      readonly normal: { cdf(x: number, mean: number, deviation: number): number };
      readonly binomial: { sample?: never };
    };
  };
  export default jstat;
}
