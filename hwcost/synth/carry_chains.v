// Vendor-like arithmetic, mapped before Yosys' coarse step: every adder one carry chain, every multiplier rows of them.

(* techmap_celltype = "$add $sub" *)
module hwcost_chain(A, B, Y);
  parameter A_SIGNED = 0; parameter B_SIGNED = 0;
  parameter A_WIDTH = 1; parameter B_WIDTH = 1; parameter Y_WIDTH = 1;
  parameter _TECHMAP_CELLTYPE_ = "";
  input [A_WIDTH-1:0] A; input [B_WIDTH-1:0] B; output [Y_WIDTH-1:0] Y;
  localparam SUB = _TECHMAP_CELLTYPE_ == "$sub";
  wire [Y_WIDTH-1:0] X, CO;
  \$alu #(.A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED), .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH))
    alu(.A(A), .B(B), .BI(SUB), .CI(SUB), .Y(Y), .X(X), .CO(CO));
endmodule

// One row per bit of the narrower operand, each adds the wider operand where its bit is set (Baugh and Wooley: bits of
// negative weight are inverted, their constants absorbed, so that a sign costs no row of its own). An operand whose top
// bit is a constant 0 is unsigned. Widths that sum to 6 at most stay generic logic.
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
  wire _TECHMAP_FAIL_ = AW + BW <= 6 || M == 1;

  wire [N-1:0] many = SWAP ? B[BW-1:0] : A[AW-1:0];
  wire [M-1:0] few = SWAP ? A[AW-1:0] : B[BW-1:0];
  wire [M*(N+1)-1:0] sums;
  wire [M+N-1:0] product;
  genvar i;
  generate
    if (NS)  // the inverted top bit and the constant 1 at its place: {~p, p}
      assign sums[N:0] = {~(many[N-1] & few[0]), many & {N{few[0]}}};
    else
      assign sums[N:0] = {1'b0, many & {N{few[0]}}};
    for (i = 1; i < M; i = i + 1) begin : rows
      localparam NEGATIVE = MS && i == M - 1;
      wire [N-1:0] upper = sums[(i-1)*(N+1)+1 +: N];
      wire [N-1:0] term = (many & {N{few[i]}}) ^ {NS ^ NEGATIVE, {(N-1){NEGATIVE}}};
      wire [N:0] X, CO;
      \$alu #(.A_SIGNED(0), .B_SIGNED(0), .A_WIDTH(N), .B_WIDTH(N), .Y_WIDTH(N+1))
        row(.A(upper), .B(term), .BI(1'b0), .CI(NEGATIVE), .Y(sums[i*(N+1) +: N+1]), .X(X), .CO(CO));
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
