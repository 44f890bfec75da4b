// Arithmetic of Lattice ECP5, mapped before Yosys' coarse step: every adder one carry chain, every multiplier rows of them.

// A sum of four bits and less is left to generic logic. The last cell has no carry out: place and route would build one
// more cell for it.
(* techmap_celltype = "$add $sub" *)
module hwcost_chain(A, B, Y);
  parameter A_SIGNED = 0; parameter B_SIGNED = 0;
  parameter A_WIDTH = 1; parameter B_WIDTH = 1; parameter Y_WIDTH = 1;
  parameter _TECHMAP_CELLTYPE_ = "";
  input [A_WIDTH-1:0] A; input [B_WIDTH-1:0] B; output [Y_WIDTH-1:0] Y;
  localparam SUB = _TECHMAP_CELLTYPE_ == "$sub";
  localparam PAIRS = (Y_WIDTH + 1) / 2;
  wire _TECHMAP_FAIL_ = Y_WIDTH <= 4;

  wire [2*PAIRS-1:0] a, b, sum;
  \$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(2*PAIRS)) wide_a(.A(A), .Y(a));
  \$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(2*PAIRS)) wide_b(.A(B), .Y(b));
  hwcost_cells #(.PAIRS(PAIRS), .INIT(SUB ? {PAIRS{32'h99AA99AA}} : {PAIRS{32'h66AA66AA}}))
    chain(.A(a), .B(b), .C({2*PAIRS{1'b1}}), .D({2*PAIRS{1'b1}}), .CI(SUB), .S(sum));
  assign Y = sum[Y_WIDTH-1:0];
endmodule

module hwcost_cells(A, B, C, D, CI, S);
  parameter PAIRS = 1; parameter [32*PAIRS-1:0] INIT = 0;
  input [2*PAIRS-1:0] A, B, C, D; input CI; output [2*PAIRS-1:0] S;
  wire [PAIRS-1:0] carry;
  assign carry[0] = CI;
  genvar i;
  for (i = 0; i < PAIRS; i = i + 1) begin : cells
    localparam L = 2 * i, H = L + 1;
    if (i + 1 < PAIRS)
      CCU2C #(.INIT0(INIT[16*L +: 16]), .INIT1(INIT[16*H +: 16]), .INJECT1_0("NO"), .INJECT1_1("NO")) cell(
        .CIN(carry[i]), .COUT(carry[i+1]), .S0(S[L]), .S1(S[H]),
        .A0(A[L]), .B0(B[L]), .C0(C[L]), .D0(D[L]), .A1(A[H]), .B1(B[H]), .C1(C[H]), .D1(D[H])
      );
    else
      CCU2C #(.INIT0(INIT[16*L +: 16]), .INIT1(INIT[16*H +: 16]), .INJECT1_0("NO"), .INJECT1_1("NO")) cell(
        .CIN(carry[i]), .S0(S[L]), .S1(S[H]),
        .A0(A[L]), .B0(B[L]), .C0(C[L]), .D0(D[L]), .A1(A[H]), .B1(B[H]), .C1(C[H]), .D1(D[H])
      );
  end
endmodule

// One row per bit of the narrower operand, as in carry_chains.v (Baugh and Wooley). A carry cell makes the partial products
// that it adds: A to B where C is set; and in the first row two of them, A where B is set to C where D is set. The lowest
// four bits of INIT are what the cell carries. Widths that sum to 4 at most stay generic logic.
(* techmap_celltype = "$mul" *)
module hwcost_rows(A, B, Y);
  parameter A_SIGNED = 0; parameter B_SIGNED = 0;
  parameter A_WIDTH = 1; parameter B_WIDTH = 1; parameter Y_WIDTH = 1;
  parameter _TECHMAP_CONSTMSK_A_ = 0; parameter _TECHMAP_CONSTVAL_A_ = 0;
  parameter _TECHMAP_CONSTMSK_B_ = 0; parameter _TECHMAP_CONSTVAL_B_ = 0;
  input [A_WIDTH-1:0] A; input [B_WIDTH-1:0] B; output [Y_WIDTH-1:0] Y;

  localparam A_CUT = A_SIGNED && A_WIDTH > 1 && _TECHMAP_CONSTMSK_A_[A_WIDTH-1] && !_TECHMAP_CONSTVAL_A_[A_WIDTH-1];
  localparam B_CUT = B_SIGNED && B_WIDTH > 1 && _TECHMAP_CONSTMSK_B_[B_WIDTH-1] && !_TECHMAP_CONSTVAL_B_[B_WIDTH-1];
  localparam AW = A_WIDTH - A_CUT, BW = B_WIDTH - B_CUT;
  localparam AS = A_SIGNED && !A_CUT, BS = B_SIGNED && !B_CUT;
  localparam SWAP = AW < BW;
  localparam N = SWAP ? BW : AW, NS = SWAP ? BS : AS;
  localparam M = SWAP ? AW : BW, MS = SWAP ? AS : BS;
  localparam SIGNED = NS || MS;
  wire _TECHMAP_FAIL_ = AW + BW <= 4 || M == 1;

  wire [N-1:0] many = SWAP ? B[BW-1:0] : A[AW-1:0];
  wire [M-1:0] few = SWAP ? A[AW-1:0] : B[BW-1:0];
  wire [M*(N+1)-1:0] sums;
  wire [M+N-1:0] product;
  function [16*N+31:0] inits(input both, input negative);
    integer j;
    for (j = 0; j < N + 2; j = j + 1)
      if (both && j < N - 1)
        inits[16*j +: 16] = negative ? 16'h8777 : 16'h7888;
      else
        inits[16*j +: 16] = j < N && (negative ^ (NS && j == N - 1)) ? 16'h95AA : 16'h6AAA;
  endfunction

  genvar i;
  generate
    if (NS)  // the inverted top bit and the constant 1 at its place: {~p, p}
      assign sums[N:0] = {~(many[N-1] & few[0]), many & {N{few[0]}}};
    else
      assign sums[N:0] = {1'b0, many & {N{few[0]}}};
    for (i = 1; i < M; i = i + 1) begin : rows
      localparam NEGATIVE = MS && i == M - 1;
      localparam PAIRS = N / 2 + 1;
      wire [2*PAIRS-1:0] above = sums[(i-1)*(N+1)+1 +: N], wide = many, first = many[N-1:1], sum, a, b, c, d;
      genvar j;
      for (j = 0; j < 2 * PAIRS; j = j + 1) begin : bits
        localparam BOTH = i == 1 && j < N - 1;  // not the inverted top bit of the first row
        assign a[j] = BOTH ? wide[j] : above[j];
        assign b[j] = BOTH ? few[i] : wide[j];
        assign c[j] = BOTH ? first[j] : few[i];
        assign d[j] = BOTH ? few[0] : 1'b1;
      end
      hwcost_cells #(.PAIRS(PAIRS), .INIT(inits(i == 1, NEGATIVE))) row(.A(a), .B(b), .C(c), .D(d), .CI(NEGATIVE), .S(sum));
      assign sums[i*(N+1) +: N+1] = sum[N:0];
    end
    for (i = 0; i < M - 1; i = i + 1) begin : low
      assign product[i] = sums[i*(N+1)];
    end
    assign product[M+N-1:M-1] = {SIGNED ^ sums[(M-1)*(N+1)+N], sums[(M-1)*(N+1) +: N]};
    if (Y_WIDTH <= M + N)
      assign Y = product[Y_WIDTH-1:0];
    else
      assign Y = {{(Y_WIDTH-M-N){SIGNED && product[M+N-1]}}, product};
  endgenerate
endmodule
